using System.Globalization;

namespace FinerCut.ServeBench;

/// <summary>What one client with long prompts does to the others: their times to first token with it and without it, on the same server.</summary>
internal static class Beside
{
    private const int ShortTokens = 60;
    private const int LongTokens = 4000;

    /// <param name="streams">Clients with short prompts, each asking one after the other.</param>
    /// <param name="each">Requests of each.</param>
    public static async Task RunAsync(IReadOnlyList<(string Name, HttpTarget Target)> targets, int streams, int each, CancellationToken stop)
    {
        Console.WriteLine($"\n{streams} clients with prompts of {ShortTokens} tokens, {each} requests each, alone and beside one with prompts of {LongTokens}");
        Console.WriteLine("| target | TTFT p50 ms alone | beside | p99 ms alone | beside | ratio of p99 |");
        Console.WriteLine("|---|---|---|---|---|---|");
        foreach (var (name, target) in targets)
        {
            await ShortAsync(target, streams, 1, 7, stop);
            var alone = await ShortAsync(target, streams, each, 100, stop);
            using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
            var @long = LongAsync(target, over.Token);
            var beside = await ShortAsync(target, streams, each, 200, stop);
            await over.CancelAsync();
            await @long;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {name} | {At(alone, 0.5):0} | {At(beside, 0.5):0} | {At(alone, 0.99):0} | {At(beside, 0.99):0} | {At(beside, 0.99) / At(alone, 0.99):0.00} |"));
        }
    }

    private static async Task<double[]> ShortAsync(HttpTarget target, int streams, int each, int seed, CancellationToken stop)
    {
        var times = await Task.WhenAll(Enumerable.Range(0, streams).Select(async stream =>
        {
            var own = new List<double>();
            for (var i = 0; i < each; i++)
            {
                stop.ThrowIfCancellationRequested();
                var measure = await target.RunAsync(new Ask([Load.Text(ShortTokens, seed * 100_000 + stream * 1000 + i)], Load.ShortAnswer, CountPrompts: false, MayCache: true));
                own.Add(measure.FirstTokens[0].TotalMilliseconds);
            }

            return own;
        }));
        return [.. times.SelectMany(own => own).Order()];
    }

    private static async Task LongAsync(HttpTarget target, CancellationToken over)
    {
        for (var i = 0; !over.IsCancellationRequested; i++)
            await target.RunAsync(new Ask([Load.Text(LongTokens, 900_000 + i)], 1, CountPrompts: true, MayCache: false));
    }

    private static double At(double[] sorted, double share) => sorted[Math.Min(sorted.Length - 1, (int)Math.Ceiling(share * sorted.Length) - 1)];
}
