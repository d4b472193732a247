using System.Collections.Immutable;
using FinerCut.Jobs;
using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>How much a search removes, in the terms of one model: it stops at the first mask that reaches the target.</summary>
/// <param name="Sublayers">Whole sublayers, null where bytes count.</param>
/// <param name="Bytes">Bytes of tensor data, null where sublayers count.</param>
public sealed record SearchBudget(int? Sublayers, long? Bytes)
{
    public static SearchBudget Of(PruneBudget budget, ModelShape shape)
    {
        ArgumentNullException.ThrowIfNull(budget);
        ArgumentNullException.ThrowIfNull(shape);
        if (budget.Sublayers is { } sublayers) return new SearchBudget(sublayers, null);
        if (budget.Bytes is { } bytes) return new SearchBudget(null, bytes);
        if (budget.Fraction is { } fraction) return new SearchBudget(null, (long)Math.Ceiling(fraction * shape.Sublayers().Sum(shape.BytesOf)));
        throw new ArgumentException("The budget is empty.", nameof(budget));
    }

    public bool IsReached(CutMask mask, UnitCosts costs)
    {
        ArgumentNullException.ThrowIfNull(mask);
        ArgumentNullException.ThrowIfNull(costs);
        return Sublayers is { } sublayers ? mask.GoneSublayers().Count() >= sublayers : costs.Bytes(mask) >= Bytes;
    }

    /// <summary>Bytes still to go, which is all that a candidate is credited with; unbounded where sublayers count.</summary>
    public long BytesLeft(long removed) => Bytes is { } bytes ? Math.Max(bytes - removed, 1) : long.MaxValue;
}

/// <summary>What a search works on.</summary>
/// <param name="Candidates">Moves, in the order that breaks ties.</param>
public sealed record SearchProblem(IReadOnlyList<Candidate> Candidates, UnitCosts Costs, SearchBudget Budget, bool WarmUp)
{
    /// <summary>Each unit's share of the harm that its sublayer's removal does; only ratios within a sublayer count. Empty = alike.</summary>
    public ImmutableArray<double> Weights { get; init; } = [];

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
