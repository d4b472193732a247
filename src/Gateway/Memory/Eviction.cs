namespace FinerCut.Gateway.Memory;

/// <summary>A loaded model that could be unloaded.</summary>
/// <param name="Bytes">That would be free.</param>
/// <param name="ReloadTime">Of loading it again, as measured or guessed.</param>
/// <param name="Idle">Since its last request.</param>
public sealed record EvictionCandidate(string ModelId, long Bytes, TimeSpan ReloadTime, TimeSpan Idle);

/// <summary>Which idle models make room. Pure.</summary>
public static class Eviction
{
    /// <summary>
    /// The models to unload, or null where even all of them would not do: then nothing is unloaded for nothing. Cheapest first by expected cost a
    /// byte: time to load it again × chance that it is wanted soon (taken as one over its idle time) ÷ bytes, the GreedyDual-Size order (Cao and
    /// Irani, 1997) with recency for frequency. Those that turn out not to be needed for the sum are kept.
    /// </summary>
    public static IReadOnlyList<EvictionCandidate>? Choose(IEnumerable<EvictionCandidate> candidates, long needed)
    {
        var chosen = new List<EvictionCandidate>();
        var free = 0L;
        foreach (var candidate in candidates.OrderBy(Cost).ThenBy(candidate => candidate.ModelId, StringComparer.Ordinal))
        {
            if (free >= needed) break;
            chosen.Add(candidate);
            free += candidate.Bytes;
        }

        if (free < needed) return null;
        foreach (var dear in chosen.OrderByDescending(Cost).ToArray())
        {
            if (free - dear.Bytes < needed) continue;
            chosen.Remove(dear);
            free -= dear.Bytes;
        }

        return chosen;
    }

    private static double Cost(EvictionCandidate candidate) =>
        candidate.ReloadTime.TotalSeconds / (Math.Max(0.001, candidate.Idle.TotalSeconds) * Math.Max(1, candidate.Bytes));
}
