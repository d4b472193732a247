using System.Collections.Immutable;
using FinerCut.Jobs;
using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>One thing of which so much must go, in units of its own.</summary>
/// <param name="Name">As it stands in the request.</param>
/// <param name="Costs">What each unit has of it.</param>
public sealed record CostTarget(string Name, UnitCosts Costs, long Amount);

/// <summary>How much a search removes, in the terms of one model: it stops at the first mask that reaches every target.</summary>
/// <param name="Sublayers">Whole sublayers, null where they do not count.</param>
/// <param name="Bytes">Bytes of tensor data, null where they do not count.</param>
public sealed record SearchBudget(int? Sublayers, long? Bytes)
{
    /// <summary>What else must be reached.</summary>
    public ImmutableArray<CostTarget> Others { get; init; } = [];

    /// <summary>A mask of this distance or more is not gone on from: what lies beyond cannot be wanted.</summary>
    public double EnoughDistance { get; init; } = double.PositiveInfinity;

    public static SearchBudget Of(PruneBudget budget, ModelShape shape)
    {
        ArgumentNullException.ThrowIfNull(budget);
        ArgumentNullException.ThrowIfNull(shape);
        if (budget.Sublayers is null && budget.Bytes is null && budget.Fraction is null) throw new ArgumentException("The budget has neither sublayers nor bytes.", nameof(budget));
        return new SearchBudget(budget.Sublayers, budget.Bytes ?? (budget.Fraction is { } fraction ? (long)Math.Ceiling(fraction * shape.Sublayers().Sum(shape.BytesOf)) : null));
    }

    public bool IsReached(CutMask mask, UnitCosts costs)
    {
        ArgumentNullException.ThrowIfNull(mask);
        ArgumentNullException.ThrowIfNull(costs);
        return (Sublayers is not { } sublayers || mask.GoneSublayers().Count() >= sublayers)
            && (Bytes is not { } bytes || costs.Bytes(mask) >= bytes)
            && Others.All(target => target.Costs.Bytes(mask) >= target.Amount);
    }

    /// <summary>The smallest share of any target that a mask has reached, 0 to 1.</summary>
    public double ShareReached(CutMask mask, UnitCosts costs)
    {
        ArgumentNullException.ThrowIfNull(mask);
        ArgumentNullException.ThrowIfNull(costs);
        var share = 1.0;
        if (Sublayers is { } sublayers) share = Math.Min(share, mask.GoneSublayers().Count() / (double)sublayers);
        if (Bytes is { } bytes) share = Math.Min(share, costs.Bytes(mask) / (double)bytes);
        return Others.Aggregate(share, (least, target) => Math.Min(least, target.Costs.Bytes(mask) / (double)target.Amount));
    }
}

/// <summary>What a search works on.</summary>
/// <param name="Candidates">Moves, in the order that breaks ties.</param>
public sealed record SearchProblem(IReadOnlyList<Candidate> Candidates, UnitCosts Costs, SearchBudget Budget, bool WarmUp)
{
    /// <summary>Each unit's share of the harm that its sublayer's removal does; only ratios within a sublayer count. Empty = alike.</summary>
    public ImmutableArray<double> Weights { get; init; } = [];

    /// <summary>Whether a search has got where it was to go.</summary>
    public bool IsDone(CutMask mask, double distance) => distance >= Budget.EnoughDistance || Budget.IsReached(mask, Costs);

    /// <summary>
    /// What going on from one mask to another saves of what the budget still asks for, in bytes, at least 1: all that goes beyond a target saves nothing. A whole
    /// target of another measure is worth the whole target in bytes, or all of the model's where bytes do not count.
    /// </summary>
    public double Saved(CutMask from, CutMask to)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        var whole = Budget.Bytes ?? Costs.Total;
        double Of(long before, long after, long target) => (double)whole * (Math.Min(after, target) - Math.Min(before, target)) / target;
        var saved = Budget.Others.Sum(target => Of(target.Costs.Bytes(from), target.Costs.Bytes(to), target.Amount));
        if (Budget.Sublayers is { } sublayers) saved += Of(from.GoneSublayers().Count(), to.GoneSublayers().Count(), sublayers);

        // Where nothing else is asked for either, it is bytes that a search goes by.
        if (Budget.Bytes is not null || (Budget.Sublayers is null && Budget.Others.IsEmpty)) saved += Of(Costs.Bytes(from), Costs.Bytes(to), whole);
        return Math.Max(1, saved);
    }

    /// <summary>Paper's warm-up: these shares of the blocks and of the sublayers.</summary>
    public const double WarmUpShare = 0.4;

    /// <summary>Candidates that may go next: not gone, what must go first is gone, not barred by warm-up, and something is left of the model without them.</summary>
    public IEnumerable<int> Open(CutMask mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        var shape = mask.Units.Shape;
        var barred = WarmUp && mask.GoneSublayers().Count() < WarmUpShare * shape.Sublayers().Count() ? WarmUpShare * shape.Blocks.Length : 0;
        var all = mask.Units.Count;
        for (var index = 0; index < Candidates.Count; index++)
        {
            var candidate = Candidates[index];
            if (candidate.IsGoneFrom(mask) || !candidate.IsDueIn(mask) || candidate.BlockIn(mask.Units) < barred) continue;
            if (candidate.Apply(mask).Count < all) yield return index;
        }
    }

    /// <summary>Candidates that may come back: gone whole, and nothing that had to go after them is gone.</summary>
    public IEnumerable<int> Undoable(CutMask mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        for (var index = 0; index < Candidates.Count; index++)
        {
            var candidate = Candidates[index];
            if (!candidate.IsGoneFrom(mask)) continue;
            var back = candidate.Undo(mask);
            if (Candidates.All(other => other.IsDueIn(back) || !other.Units.Any(back.Contains))) yield return index;
        }
    }
}
