using System.Globalization;

namespace FinerCut.ServeBench;

/// <summary>
/// Requests that come whether or not earlier ones are answered: Poisson arrivals at a stated rate, prompts of 20 to 800 tokens. Goodput is what was answered
/// within the limits: a server that answers all of them late has none.
/// </summary>
/// <param name="Rate">Requests a second.</param>
/// <param name="Duration">In which requests come; those at work then are waited for.</param>
/// <param name="FirstLimit">Time to first token within which an answer is good.</param>
/// <param name="GapLimit">Mean time between its tokens within which it is.</param>
internal sealed record OpenLoop(double Rate, TimeSpan Duration, TimeSpan FirstLimit, TimeSpan GapLimit)
{
    private const int Seed = 17;

    public async Task RunAsync(IReadOnlyList<(string Name, HttpTarget Target)> targets, Load load, CancellationToken stop)
    {
        var arrivals = Arrivals();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"\nopen loop: {arrivals.Count} requests in {Duration.TotalSeconds:0} s, {Rate} a second, {Load.ShortAnswer} tokens an answer; good: first token within {FirstLimit.TotalMilliseconds:0} ms, {GapLimit.TotalMilliseconds:0} ms between tokens"));
        Console.WriteLine("| target | answered | TTFT p50 ms | p99 | between tokens p50 ms | p99 | good | goodput, requests/s | all answered after s |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
        foreach (var (name, target) in targets)
        {
            await target.RunAsync(load.Mixed(1_000_000));
            var began = TimeProvider.System.GetTimestamp();
            var answers = await Task.WhenAll(arrivals.Select(async (at, i) =>
            {
                var wait = at - TimeProvider.System.GetElapsedTime(began);
                if (wait > TimeSpan.Zero) await Task.Delay(wait, TimeProvider.System, stop);
                try
                {
                    return await target.RunAsync(load.Mixed(i));
                }
                catch (HttpRequestException)
                {
                    return null; // refused: the queue is full
                }
            }));
            Print(name, answers, TimeProvider.System.GetElapsedTime(began));
        }
    }

    private List<TimeSpan> Arrivals()
    {
        var random = new Random(Seed);
        var arrivals = new List<TimeSpan>();
        for (var at = TimeSpan.Zero; ; arrivals.Add(at))
        {
            at += TimeSpan.FromSeconds(-Math.Log(1 - random.NextDouble()) / Rate);
            if (at >= Duration) return arrivals;
        }
    }

    private void Print(string name, Measure?[] answers, TimeSpan wall)
    {
        var done = answers.OfType<Measure>().ToList();
        var first = done.Select(answer => answer.FirstTokens[0].TotalMilliseconds).Order().ToArray();
        var gaps = done.SelectMany(answer => answer.Gaps).Select(gap => gap.TotalMilliseconds).Order().ToArray();
        var good = done.Count(answer => answer.FirstTokens[0] <= FirstLimit && (answer.Gaps.Count == 0 || answer.Gaps.Average(gap => gap.TotalMilliseconds) <= GapLimit.TotalMilliseconds));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {name} | {done.Count} of {answers.Length} | {At(first, 0.5):0} | {At(first, 0.99):0} | {At(gaps, 0.5):0} | {At(gaps, 0.99):0} | {good} | {good / Duration.TotalSeconds:0.00} | {wall.TotalSeconds:0.0} |"));
    }

    private static double At(double[] sorted, double share) =>
        sorted.Length == 0 ? double.NaN : sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];
}
