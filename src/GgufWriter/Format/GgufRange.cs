namespace FinerCut.Gguf;

/// <summary>Indices [Start, Start + Count) of a dimension.</summary>
public readonly record struct GgufRange(long Start, long Count)
{
    public long End => Start + Count;

    /// <summary>What is left of [0, length) when the given ranges, in any order, are taken out.</summary>
    public static IReadOnlyList<GgufRange> AllBut(long length, IEnumerable<GgufRange> removed)
    {
        var kept = new List<GgufRange>();
        long next = 0;
        foreach (var range in removed.OrderBy(range => range.Start))
        {
            if (range.Start > next) kept.Add(new(next, Math.Min(range.Start, length) - next));
            next = Math.Max(next, range.End);
        }
        if (next < length) kept.Add(new(next, length - next));
        return kept;
    }

    /// <summary>Single indices in the given order as ranges, neighbours joined.</summary>
    public static IReadOnlyList<GgufRange> Join(IEnumerable<long> indices)
    {
        var ranges = new List<GgufRange>();
        foreach (var index in indices)
        {
            if (ranges.Count > 0 && ranges[^1].End == index) ranges[^1] = ranges[^1] with { Count = ranges[^1].Count + 1 };
            else ranges.Add(new(index, 1));
        }
        return ranges;
    }

    public override string ToString() => $"{Start}-{End - 1}";
}
