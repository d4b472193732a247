using System.Collections.Immutable;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Tests.Searches;

/// <summary>A made-up model whose distances are a formula: searches are judged against what is known of it.</summary>
internal sealed class Landscape(UnitMap units, Func<CutMask, double> distance) : IMaskScorer
{
    /// <summary>Masks scored on all tokens.</summary>
    public List<CutMask> Scored { get; } = [];

    /// <summary>Masks scored on any share.</summary>
    public int Asked { get; private set; }

    public UnitMap Units => units;

    /// <summary>What a share of the tokens says, where that differs from all.</summary>
    public Func<CutMask, double>? OnFewTokens { get; init; }

    /// <summary>Called before each evaluation; tests cancel here.</summary>
    public Action<int> Before { get; set; } = _ => { };

    /// <summary>The same, with the number of masks scored on any share.</summary>
    public Action<int> BeforeAny { get; set; } = _ => { };

    public static UnitMap Map(int blocks, long attentionBytes = 10, long ffnBytes = 30) => UnitMap.Sublayers(new ModelShape(
        "llama", 64, 16, 100, [.. Enumerable.Repeat(new BlockShape(4, 2, 128, attentionBytes, ffnBytes), blocks)], blocks * (attentionBytes + ffnBytes)));

    /// <summary>Every sublayer has a weight of its own, and pairs hurt more together: growth never falls.</summary>
    public static Func<CutMask, double> Supermodular(int seed, int units)
    {
        var random = new Random(seed);
        var alone = Enumerable.Range(0, units).Select(_ => 0.01 + random.NextDouble()).ToArray();
        var pairs = Enumerable.Range(0, units).Select(_ => Enumerable.Range(0, units).Select(_ => random.NextDouble() * 0.1).ToArray()).ToArray();
        return mask =>
        {
            int[] gone = [.. mask.Removed()];
            return gone.Sum(one => alone[one]) + gone.Sum(one => gone.Where(other => other < one).Sum(other => pairs[one][other]));
        };
    }

    public static SearchProblem Problem(UnitMap units, SearchBudget budget, bool warmUp = false, ImmutableArray<PruneGrain> grains = default) =>
        new(Moves.Of(units, grains.IsDefault ? [PruneGrain.Sublayer] : grains, ImmutableHashSet<Sublayer>.Empty), UnitCosts.Even(units), budget, warmUp);

    /// <summary>Units of a move's name, which may join several.</summary>
    public static int[] Named(string name, UnitMap units) =>
        [.. name.Split(' ').SelectMany(part => Moves.Of(units, Moves.AllGrains, ImmutableHashSet<Sublayer>.Empty).Single(move => move.Name == part).Units)];

    public void Rebase(CutMask mask, CancellationToken cancellationToken) => cancellationToken.ThrowIfCancellationRequested();

    public IReadOnlyList<double> Score(IReadOnlyList<CutMask> masks, double share, CancellationToken cancellationToken) => [.. masks.Select(mask =>
    {
        Before(Scored.Count);
        BeforeAny(Asked);
        cancellationToken.ThrowIfCancellationRequested();
        Asked++;
        if (share < 1 && OnFewTokens is { } few) return few(mask);
        Scored.Add(mask);
        return distance(mask);
    })];
}

internal sealed class Witness : ISearchObserver
{
    public List<SearchPace> Paces { get; } = [];

    public List<SearchStep> Steps { get; } = [];

    public void Evaluated(SearchPace pace) => Paces.Add(pace);

    public void Stepped(SearchStep step, SearchPace pace)
    {
        Steps.Add(step);
        Paces.Add(pace);
    }
}
