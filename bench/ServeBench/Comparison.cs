using System.Globalization;

namespace FinerCut.ServeBench;

/// <summary>Runs all targets in turn, round by round, and prints medians and ratios to the first of them.</summary>
internal static class Comparison
{
    public static async Task RunAsync(
        IReadOnlyList<(string Name, ITarget Target)> targets, IReadOnlyList<MeasureKind> measures, int[] streams, int rounds, Load load, CancellationToken stop)
    {
        Console.WriteLine(
            $"decode: {load.AnswerTokens} tokens an answer; prefill: about {load.PromptTokens} tokens a prompt; common: {load.PromptTokens} tokens shared by all, {Load.ShortAnswer} an answer; "
            + $"mixed: prompts of 20 to {load.PromptTokens * 2} tokens, {Load.ShortAnswer} an answer; medians of {rounds} rounds");
        Console.WriteLine("| measure | streams | target | tok/s | TTFT p50 ms | between tokens p50 ms | ratio to ceiling | least..most |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        foreach (var kind in measures)
        {
            foreach (var count in streams)
            {
                // The first round warms everything up and is not counted.
                var results = targets.Select(_ => new List<Measure>()).ToArray();
                for (var round = -1; round < rounds; round++)
                {
                    stop.ThrowIfCancellationRequested();
                    var ask = load.Ask(kind, count, round + 1);
                    for (var i = 0; i < targets.Count; i++)
                    {
                        // Whoever goes first alternates.
                        var at = (i + round + targets.Count) % targets.Count;
                        var measure = await targets[at].Target.RunAsync(ask);
                        if (round >= 0) results[at].Add(measure);
                    }
                }

                for (var i = 0; i < targets.Count; i++) Print(kind.ToString().ToLowerInvariant(), count, targets[i].Name, results[i], results[0]);
            }
        }
    }

    private static void Print(string measure, int streams, string name, List<Measure> results, List<Measure> ceiling)
    {
        var ratios = results.Select((result, i) => result.TokensPerSecond / ceiling[i].TokensPerSecond).Order().ToArray();
        var first = Median(results.SelectMany(result => result.FirstTokens).Select(time => time.TotalMilliseconds));
        var gaps = results.SelectMany(result => result.Gaps).Select(time => time.TotalMilliseconds).ToList();
        var gap = gaps.Count == 0 ? "" : Median(gaps).ToString("0.0", CultureInfo.InvariantCulture);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {measure} | {streams} | {name} | {Median(results.Select(result => result.TokensPerSecond)):0.0} | {first:0} | {gap} | {Median(ratios):0.000} | {ratios[0]:0.00}..{ratios[^1]:0.00} |"));
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[sorted.Length / 2 - 1] + sorted[sorted.Length / 2]) / 2;
    }
}
