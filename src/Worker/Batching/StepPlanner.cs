namespace FinerCut.Worker.Batching;

/// <summary>A sequence that wants a share of the next step.</summary>
/// <param name="Remaining">Tokens to compute before its next token can be sampled; 1 = it decodes.</param>
/// <param name="Rank">Less is sooner (<see cref="StepPlanner.Rank"/>).</param>
/// <param name="Arrival">When it came, or the first of those that wait for it; less is longer ago.</param>
/// <param name="Held">It waits for another sequence to compute their common beginning.</param>
public readonly record struct StepItem(int Remaining, double Rank, long Arrival = 0, bool Held = false);

/// <param name="BatchTokens">Most tokens of a step.</param>
/// <param name="ChunkTokens">Most prompt tokens of a step in which a sequence decodes: what a decode may have to wait for.</param>
public sealed record StepLimits(int BatchTokens, int ChunkTokens);

/// <summary>
/// Decides what a step computes. Every decoding sequence gets its token; the rest of the budget goes to prompts: a quarter to those that came first,
/// what is left to the shortest remaining. So short prompts are never slowed by more than a third, however many long ones there are, and a prompt of n
/// tokens, with w tokens in prompts that came before it, is computed once 4 (w + n) tokens of prompts have been, whatever came after it. Pure.
/// </summary>
public static class StepPlanner
{
    /// <summary>One part in so many of all prompt tokens, and one in so many starts, are those of who came first.</summary>
    public const int OldestPart = 4;

    /// <param name="promptTokens">Most prompt tokens of this step, where nothing decodes.</param>
    /// <param name="shares">Result: tokens for each item.</param>
    public static void Plan(ReadOnlySpan<StepItem> items, StepLimits limits, int promptTokens, Span<int> shares)
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

        var budget = Math.Min(limits.BatchTokens - decoding, decoding > 0 ? limits.ChunkTokens : promptTokens);
        for (var first = (budget + OldestPart - 1) / OldestPart; first > 0 && Oldest(items, shares) is >= 0 and var oldest;)
        {
            var given = Give(oldest, first, items, shares);
            first -= given;
            budget -= given;
        }

        while (budget > 0 && Next(items, shares) is >= 0 and var next) budget -= Give(next, budget, items, shares);
    }

    /// <summary>The order in which prompts are taken, for the waiting queue as well: less is sooner.</summary>
    /// <param name="weight">Of whoever asks; 1 is usual.</param>
    public static double Rank(int remaining, double weight) => remaining / weight;

    private static int Give(int item, int most, ReadOnlySpan<StepItem> items, Span<int> shares)
    {
        var given = Math.Min(most, items[item].Remaining - shares[item]);
        shares[item] += given;
        return given;
    }

    private static int Oldest(ReadOnlySpan<StepItem> items, ReadOnlySpan<int> shares)
    {
        var oldest = -1;
        for (var i = 0; i < items.Length; i++)
        {
            if (Wants(items[i], shares[i]) && (oldest < 0 || items[i].Arrival < items[oldest].Arrival)) oldest = i;
        }

        return oldest;
    }

    /// <summary>A selection by minimum is enough: there are never more than a few dozen sequences.</summary>
    private static int Next(ReadOnlySpan<StepItem> items, ReadOnlySpan<int> shares)
    {
        var next = -1;
        for (var i = 0; i < items.Length; i++)
        {
            if (Wants(items[i], shares[i]) && (next < 0 || items[i].Rank < items[next].Rank)) next = i;
        }

        return next;
    }

    private static bool Wants(StepItem item, int share) => !item.Held && share < item.Remaining;
}
