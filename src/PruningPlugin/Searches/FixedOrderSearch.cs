namespace FinerCut.Pruning.Searches;

/// <summary>Removes candidates in an order that was known beforehand, until the budget is reached: what baselines do. Every step is scored once.</summary>
/// <param name="order">Candidates by index; those that may not go when their turn comes are passed over.</param>
public sealed class FixedOrderSearch(IReadOnlyList<int> order) : ISearch
{
    public IReadOnlyList<SearchStep> Run(SearchProblem problem, IMaskScorer scorer, ISearchObserver observer, CancellationToken cancellationToken)
    {
        var run = new SearchRun(problem, scorer, observer, cancellationToken);
        Remove(run, order);
        return run.Steps;
    }

    /// <summary>From the last block backwards: the deep-layers baseline.</summary>
    public static FixedOrderSearch LastFirst(SearchProblem problem)
    {
        ArgumentNullException.ThrowIfNull(problem);
        return new([.. Enumerable.Range(0, problem.Candidates.Count).Reverse()]);
    }

    /// <summary>Any order, the same for the same seed.</summary>
    public static FixedOrderSearch Shuffled(SearchProblem problem, int seed)
    {
        ArgumentNullException.ThrowIfNull(problem);
        var order = Enumerable.Range(0, problem.Candidates.Count).ToArray();
        new Random(seed).Shuffle(order);
        return new(order);
    }

    /// <summary>ShortGPT (arXiv 2403.03853): blocks that change the residual stream least go first, as the full model has it.</summary>
    /// <param name="influence">By block: 1 minus the mean cosine of the stream before and after it.</param>
    public static FixedOrderSearch ByInfluence(SearchProblem problem, IReadOnlyList<double> influence)
    {
        ArgumentNullException.ThrowIfNull(problem);
        var units = problem.Costs.Units;
        return new([.. Enumerable.Range(0, problem.Candidates.Count).OrderBy(index => influence[problem.Candidates[index].BlockIn(units)]).ThenBy(index => index)]);
    }

    internal static void Remove(SearchRun run, IReadOnlyList<int> order)
    {
        foreach (var index in order)
        {
            if (run.IsDone) return;
            if (!run.Problem.Open(run.Mask).Contains(index)) continue;
            run.Rebase();
            run.Take(run.Problem.Candidates[index], run.Growth(run.Problem.Candidates[index], 1));
        }
    }
}

/// <summary>One-shot: every candidate scored alone on the full model, then removed in the order of growth for each byte.</summary>
public sealed class OneShotSearch : ISearch
{
    public IReadOnlyList<SearchStep> Run(SearchProblem problem, IMaskScorer scorer, ISearchObserver observer, CancellationToken cancellationToken)
    {
        var run = new SearchRun(problem, scorer, observer, cancellationToken);
        run.Rebase();

        // Slices of an FFN are scored with those before them gone: alone they never go.
        var prices = problem.Candidates.Select(candidate =>
        {
            var mask = CutMaskOf(candidate, run);
            var score = run.Score(mask, 1);
            return double.IsFinite(score) ? score / Math.Max(1, problem.Budget.Others.IsEmpty ? problem.Costs.Bytes(mask) : problem.Saved(run.Mask, mask)) : double.PositiveInfinity;
        }).ToArray();
        var order = Enumerable.Range(0, prices.Length).OrderBy(index => prices[index]).ThenBy(index => index).ToList();

        // Several passes, since what waits for another is passed over until that one is gone.
        for (var pass = 0; pass < prices.Length && !run.IsDone; pass++)
        {
            var before = run.Steps.Count;
            FixedOrderSearch.Remove(run, order);
            if (run.Steps.Count == before) break;
        }

        return run.Steps;
    }

    private static Masks.CutMask CutMaskOf(Candidate candidate, SearchRun run)
    {
        var mask = candidate.Apply(run.Mask);
        foreach (var unit in candidate.After) mask = mask.With(unit);
        return mask;
    }
}
