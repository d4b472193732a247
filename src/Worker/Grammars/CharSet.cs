using System.Collections.Immutable;

namespace FinerCut.Worker.Grammars;

/// <summary>A set of Unicode code points (surrogates never belong to one). Immutable; equal sets have equal ranges.</summary>
internal sealed class CharSet : IEquatable<CharSet>
{
    public const int Last = 0x10FFFF;

    private CharSet(ImmutableArray<(int First, int Last)> ranges) => Ranges = ranges;

    /// <summary>Ascending, disjoint, never touching; both ends belong to the range.</summary>
    public ImmutableArray<(int First, int Last)> Ranges { get; }

    public static CharSet None { get; } = new([]);

    public static CharSet Any { get; } = Of((0, Last));

    public static CharSet Digits { get; } = Of(('0', '9'));

    public bool IsEmpty => Ranges.IsEmpty;

    public static CharSet Of(params IEnumerable<(int First, int Last)> ranges)
    {
        var merged = new List<(int First, int Last)>();
        foreach (var (first, last) in ranges.SelectMany(WithoutSurrogates).Where(range => range.First <= range.Last).OrderBy(range => range.First))
        {
            if (merged.Count > 0 && first <= merged[^1].Last + 1) merged[^1] = (merged[^1].First, Math.Max(merged[^1].Last, last));
            else merged.Add((first, last));
        }

        return new CharSet([.. merged]);
    }

    public static CharSet Of(int codePoint) => Of((codePoint, codePoint));

    public CharSet Union(CharSet other) => Of(Ranges.Concat(other.Ranges));

    public CharSet Complement()
    {
        var gaps = new List<(int, int)>();
        var next = 0;
        foreach (var (first, last) in Ranges)
        {
            gaps.Add((next, first - 1));
            next = last + 1;
        }

        gaps.Add((next, Last));
        return Of(gaps);
    }

    public CharSet Intersect(CharSet other)
    {
        var both = new List<(int, int)>();
        for (int i = 0, j = 0; i < Ranges.Length && j < other.Ranges.Length;)
        {
            both.Add((Math.Max(Ranges[i].First, other.Ranges[j].First), Math.Min(Ranges[i].Last, other.Ranges[j].Last)));
            if (Ranges[i].Last < other.Ranges[j].Last) i++;
            else j++;
        }

        return Of(both);
    }

    public bool Contains(int codePoint)
    {
        var (low, high) = (0, Ranges.Length - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            if (codePoint < Ranges[middle].First) high = middle - 1;
            else if (codePoint > Ranges[middle].Last) low = middle + 1;
            else return true;
        }

        return false;
    }

    public bool Equals(CharSet? other) => other is not null && Ranges.AsSpan().SequenceEqual(other.Ranges.AsSpan());

    public override bool Equals(object? obj) => Equals(obj as CharSet);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var range in Ranges) hash.Add(range);
        return hash.ToHashCode();
    }

    private static IEnumerable<(int First, int Last)> WithoutSurrogates((int First, int Last) range) =>
        [(range.First, Math.Min(range.Last, 0xD7FF)), (Math.Max(range.First, 0xE000), range.Last)];
}
