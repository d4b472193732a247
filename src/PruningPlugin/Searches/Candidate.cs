using System.Collections.Immutable;
using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>One move that a search can make: units that go together.</summary>
/// <param name="Name">As it stands in reports: attn:3, ffn:6/slice0, block:4.</param>
/// <param name="Units">Indices into the unit map.</param>
public sealed record Candidate(string Name, ImmutableArray<int> Units)
{
    /// <summary>Block of the first unit: what warm-up bars by.</summary>
    public int BlockIn(UnitMap units) => units.UnitAt(Units[0]).Sublayer.Block;

    /// <summary>
    /// Whole sublayers, in the order of the residual stream, but for those that must stay; whole blocks where the model's files cannot lose less.
    /// </summary>
    public static ImmutableArray<Candidate> Sublayers(UnitMap units, IReadOnlySet<Sublayer> keep)
    {
        ArgumentNullException.ThrowIfNull(units);
        ArgumentNullException.ThrowIfNull(keep);
        if (!units.Shape.SublayersAlone)
        {
            return [.. units.Shape.Sublayers().GroupBy(sublayer => sublayer.Block).Where(block => !block.Any(keep.Contains))
                .Select(block => new Candidate($"block:{block.Key}", [.. block.SelectMany(sublayer => Whole(units, sublayer).Units)]))];
        }

        return [.. units.Shape.Sublayers().Where(sublayer => !keep.Contains(sublayer)).Select(sublayer => Whole(units, sublayer))];
    }

    private static Candidate Whole(UnitMap units, Sublayer sublayer)
    {
        var (start, end) = units.RangeOf(sublayer);
        return new Candidate(sublayer.ToString(), [.. Enumerable.Range(start, end - start)]);
    }

    public CutMask Apply(CutMask mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        foreach (var unit in Units) mask = mask.With(unit);
        return mask;
    }

    /// <summary>Whether the mask has all of it gone already.</summary>
    public bool IsGoneFrom(CutMask mask) => Units.All(mask.Contains);
}
