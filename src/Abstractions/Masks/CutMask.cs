using System.Collections.Immutable;
using System.Globalization;
using System.Numerics;

namespace FinerCut.Masks;

/// <summary>Which units of a <see cref="UnitMap"/> are gone. An immutable value: equal masks of one map hash alike.</summary>
public sealed class CutMask : IEquatable<CutMask>
{
    private readonly ImmutableArray<ulong> _words;

    private CutMask(UnitMap units, ImmutableArray<ulong> words)
    {
        Units = units;
        _words = words;
    }

    public UnitMap Units { get; }

    /// <summary>One bit a unit, lowest first: the mask's whole content beside its map.</summary>
    public ImmutableArray<ulong> Words => _words;

    /// <summary>Number of units that are gone.</summary>
    public int Count => _words.Sum(BitOperations.PopCount);

    public bool IsEmpty => _words.All(word => word == 0);

    /// <summary>Nothing removed.</summary>
    public static CutMask None(UnitMap units)
    {
        ArgumentNullException.ThrowIfNull(units);
        return new CutMask(units, [.. new ulong[(units.Count + 63) / 64]]);
    }

    public static CutMask Of(UnitMap units, IEnumerable<int> removed)
    {
        var words = new ulong[(units.Count + 63) / 64];
        foreach (var index in removed)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, units.Count);
            words[index >> 6] |= 1UL << (index & 63);
        }

        return new CutMask(units, [.. words]);
    }

    public static CutMask Of(UnitMap units, IEnumerable<Sublayer> removed) => None(units).With(removed);

    public bool Contains(int unit) => (_words[unit >> 6] >> (unit & 63) & 1) != 0;

    public bool Contains(Unit unit) => Contains(Units.IndexOf(unit));

    /// <summary>All units of the sublayer are gone.</summary>
    public bool IsGone(Sublayer sublayer)
    {
        var (start, end) = Units.RangeOf(sublayer);
        for (var unit = start; unit < end; unit++)
        {
            if (!Contains(unit)) return false;
        }

        return end > start;
    }

    /// <summary>At least one unit of the sublayer is gone.</summary>
    public bool IsTouched(Sublayer sublayer)
    {
        var (start, end) = Units.RangeOf(sublayer);
        for (var unit = start; unit < end; unit++)
        {
            if (Contains(unit)) return true;
        }

        return false;
    }

    public CutMask With(int unit) => Contains(unit) ? this : new CutMask(Units, _words.SetItem(unit >> 6, _words[unit >> 6] | 1UL << (unit & 63)));

    public CutMask Without(int unit) => !Contains(unit) ? this : new CutMask(Units, _words.SetItem(unit >> 6, _words[unit >> 6] & ~(1UL << (unit & 63))));

    public CutMask With(Unit unit) => With(Units.IndexOf(unit));

    public CutMask With(Sublayer sublayer) => With([sublayer]);

    public CutMask With(IEnumerable<Sublayer> sublayers)
    {
        var mask = this;
        foreach (var sublayer in sublayers)
        {
            var (start, end) = Units.RangeOf(sublayer);
            if (start == end) throw new ArgumentOutOfRangeException(nameof(sublayers), sublayer, "The model has no such sublayer.");
            for (var unit = start; unit < end; unit++) mask = mask.With(unit);
        }

        return mask;
    }

    /// <summary>Indices of the removed units, ascending.</summary>
    public IEnumerable<int> Removed()
    {
        for (var unit = 0; unit < Units.Count; unit++)
        {
            if (Contains(unit)) yield return unit;
        }
    }

    /// <summary>Parts (KV-head groups or channel blocks) of a sublayer that are gone, ascending.</summary>
    public ImmutableArray<int> RemovedParts(Sublayer sublayer)
    {
        var (start, end) = Units.RangeOf(sublayer);
        return [.. Enumerable.Range(start, end - start).Where(Contains).SelectMany(unit => Units.Parts[sublayer.Order][unit - start]).Order()];
    }

    public IEnumerable<Sublayer> GoneSublayers() => Units.Shape.Sublayers().Where(IsGone);

    public bool Equals(CutMask? other) => other is not null && ReferenceEquals(Units, other.Units) && _words.AsSpan().SequenceEqual(other._words.AsSpan());

    public override bool Equals(object? obj) => Equals(obj as CutMask);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var word in _words) hash.Add(word);
        return hash.ToHashCode();
    }

    /// <summary>Removed sublayers and units, such as "attn:3 ffn:6/slice0"; "none" when empty.</summary>
    public override string ToString()
    {
        var gone = GoneSublayers().ToHashSet();
        var names = gone.Order().Select(sublayer => sublayer.ToString())
            .Concat(Removed().Select(Units.UnitAt).Where(unit => !gone.Contains(unit.Sublayer)).Select(unit => unit.ToString()));
        return string.Create(CultureInfo.InvariantCulture, $"{(IsEmpty ? "none" : string.Join(' ', names))}");
    }
}
