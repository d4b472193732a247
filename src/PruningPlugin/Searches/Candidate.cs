using System.Collections.Immutable;
using FinerCut.Jobs;
using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>One move that a search can make: units that go together.</summary>
/// <param name="Name">As it stands in reports: attn:3, ffn:6/slice0, block:4.</param>
/// <param name="Units">Indices into the unit map.</param>
public sealed record Candidate(string Name, ImmutableArray<int> Units)
{
    public PruneGrain Grain { get; init; } = PruneGrain.Sublayer;

    /// <summary>Units that must be gone first: an FFN's slices go in the order of their importance.</summary>
    public ImmutableArray<int> After { get; init; } = [];

    /// <summary>Block of the first unit: what warm-up bars by.</summary>
    public int BlockIn(UnitMap units) => units.UnitAt(Units[0]).Sublayer.Block;

    public CutMask Apply(CutMask mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        foreach (var unit in Units) mask = mask.With(unit);
        return mask;
    }

    /// <summary>The mask with the units back.</summary>
    public CutMask Undo(CutMask mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        foreach (var unit in Units) mask = mask.Without(unit);
        return mask;
    }

    /// <summary>Whether the mask has all of it gone already.</summary>
    public bool IsGoneFrom(CutMask mask) => Units.All(mask.Contains);

    /// <summary>Whether what must go first is gone.</summary>
    public bool IsDueIn(CutMask mask) => After.All(mask.Contains);
}
