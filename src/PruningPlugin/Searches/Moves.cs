using System.Collections.Immutable;
using FinerCut.Jobs;
using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>The moves that a search chooses from, in the order of the residual stream. Pure.</summary>
public static class Moves
{
    public static readonly ImmutableArray<PruneGrain> AllGrains = [PruneGrain.Block, PruneGrain.Sublayer, PruneGrain.KvGroup, PruneGrain.FfnSlice];

    /// <summary>Whole sublayers but for those that must stay: the paper's moves.</summary>
    public static ImmutableArray<Candidate> Sublayers(UnitMap units, IReadOnlySet<Sublayer> keep) => Of(units, [PruneGrain.Sublayer], keep);

    /// <summary>
    /// Moves of the given grains, whole blocks where the model's files cannot lose less; what removes the same units as a coarser one is left out.
    /// Nothing that must stay is touched, not even in part.
    /// </summary>
    public static ImmutableArray<Candidate> Of(UnitMap units, IReadOnlyCollection<PruneGrain> grains, IReadOnlySet<Sublayer> keep)
    {
        ArgumentNullException.ThrowIfNull(units);
        ArgumentNullException.ThrowIfNull(grains);
        ArgumentNullException.ThrowIfNull(keep);
        if (!units.Shape.SublayersAlone) grains = [PruneGrain.Block];
        var moves = ImmutableArray.CreateBuilder<Candidate>();
        foreach (var block in units.Shape.Sublayers().GroupBy(sublayer => sublayer.Block))
        {
            if (grains.Contains(PruneGrain.Block) && (block.Count() > 1 || !units.Shape.SublayersAlone) && !block.Any(keep.Contains))
            {
                moves.Add(new Candidate($"block:{block.Key}", [.. block.SelectMany(sublayer => UnitsOf(units, sublayer))]) { Grain = PruneGrain.Block });
            }

            foreach (var sublayer in block.Where(sublayer => !keep.Contains(sublayer))) moves.AddRange(OfSublayer(units, grains, sublayer));
        }

        return moves.ToImmutable();
    }

    private static IEnumerable<Candidate> OfSublayer(UnitMap units, IReadOnlyCollection<PruneGrain> grains, Sublayer sublayer)
    {
        var all = UnitsOf(units, sublayer);
        var whole = grains.Contains(PruneGrain.Sublayer);
        if (whole) yield return new Candidate(sublayer.ToString(), all);
        var fine = sublayer.Kind == SublayerKind.Attention ? PruneGrain.KvGroup : PruneGrain.FfnSlice;
        if (!grains.Contains(fine) || (whole && all.Length == 1)) yield break;
        for (var at = 0; at < all.Length; at++)
        {
            yield return new Candidate(units.UnitAt(all[at]).ToString(), [all[at]])
            {
                Grain = fine,
                After = fine == PruneGrain.FfnSlice ? all[..at] : [],
            };
        }
    }

    private static ImmutableArray<int> UnitsOf(UnitMap units, Sublayer sublayer)
    {
        var (start, end) = units.RangeOf(sublayer);
        return [.. Enumerable.Range(start, end - start)];
    }
}
