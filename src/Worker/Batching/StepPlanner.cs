namespace FinerCut.Worker.Batching;

/// <summary>A sequence that wants a share of the next step.</summary>
/// <param name="Remaining">Tokens to compute before its next token can be sampled; 1 = it decodes.</param>
/// <param name="Rank">Less is sooner (<see cref="StepPlanner.Rank"/>).</param>
/// <param name="Held">It waits for another sequence to compute their common beginning.</param>
public readonly record struct StepItem(int Remaining, double Rank, bool Held = false);

/// <param name="BatchTokens">Most tokens of a step.</param>
/// <param name="ChunkTokens">Most prompt tokens of a step in which a sequence decodes: what a decode may have to wait for.</param>
/// <param name="AgeingTokensPerSecond">How much shorter a prompt counts for each second that it has waited, so that long ones are not starved.</param>
public sealed record StepLimits(int BatchTokens, int ChunkTokens, double AgeingTokensPerSecond);

/// <summary>
/// Decides what a step computes. Every decoding sequence gets its token; the rest of the budget goes to prompts, shortest remaining first,
/// less their age. Pure.
/// </summary>
public static class StepPlanner
{
    /// <param name="shares">Result: tokens for each item.</param>
    public static void Plan(ReadOnlySpan<StepItem> items, StepLimits limits, Span<int> shares)
    {
        ArgumentNullException.ThrowIfNull(limits);
        shares[..items.Length].Clear();
        var decoding = 0;
        for (var i = 0; i < items.Length && decoding < limits.BatchTokens; i++)
        {
            if (items[i] is not { Remaining: 1, Held: false }) continue;
            shares[i] = 1;
            decoding++;
        }

        var budget = limits.BatchTokens - decoding;
        if (decoding > 0) budget = Math.Min(budget, limits.ChunkTokens);
        while (budget > 0 && Next(items, shares) is >= 0 and var next)
        {
            shares[next] = Math.Min(budget, items[next].Remaining);
            budget -= shares[next];
        }
    }

    /// <summary>The order in which prompts are taken, for the waiting queue as well: less is sooner.</summary>
    /// <param name="weight">Of whoever asks; 1 is usual.</param>
    public static double Rank(int remaining, double waitedSeconds, double weight, StepLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        return remaining / weight - waitedSeconds * weight * limits.AgeingTokensPerSecond;
    }

    /// <summary>A selection by minimum is enough: there are never more than a few dozen sequences.</summary>
    private static int Next(ReadOnlySpan<StepItem> items, ReadOnlySpan<int> shares)
    {
        var next = -1;
        var least = double.PositiveInfinity;
        for (var i = 0; i < items.Length; i++)
        {
            if (items[i].Held || shares[i] > 0 || items[i].Remaining <= 0) continue;
            if (items[i].Rank >= least) continue;
            least = items[i].Rank;
            next = i;
        }

        return next;
    }
}
