using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>
/// FinerCut as published (arXiv 2405.18218, section 3): at each step every remaining candidate is scored, the one with the least distance
/// goes; ties go to the earlier one. Asks for as many at once as the scorer takes: on one machine one, so that it stops within one.
/// </summary>
public sealed class PaperSearch : ISearch
{
    public IReadOnlyList<SearchStep> Run(SearchProblem problem, IMaskScorer scorer, ISearchObserver observer, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(problem);
        ArgumentNullException.ThrowIfNull(scorer);
        ArgumentNullException.ThrowIfNull(observer);
        var steps = new List<SearchStep>();
        var mask = CutMask.None(scorer.Units);
        var evaluations = 0;
        while (!problem.IsDone(mask, steps.Count == 0 ? 0 : steps[^1].Distance))
        {
            var open = problem.Open(mask).ToArray();
            if (open.Length == 0) break;
            scorer.Rebase(mask, cancellationToken);
            var begun = evaluations;
            var (best, bestDistance) = (-1, double.PositiveInfinity);
            foreach (var asked in open.Chunk(scorer.Width))
            {
                var distances = scorer.Score([.. asked.Select(index => problem.Candidates[index].Apply(mask))], 1, cancellationToken);
                foreach (var (index, distance) in asked.Zip(distances))
                {
                    evaluations++;

                    // The first is taken even when its output is no number: something must go, and the gate has the last word.
                    if (best < 0 || distance < bestDistance) (best, bestDistance) = (index, double.IsNaN(distance) ? double.PositiveInfinity : distance);
                    observer.Evaluated(Pace(problem, mask, steps.Count, open.Length, begun, evaluations));
                }
            }

            mask = problem.Candidates[best].Apply(mask);
            steps.Add(new SearchStep(steps.Count + 1, mask, problem.Candidates[best], bestDistance, problem.Costs.Bytes(mask), open.Length));
            observer.Stepped(steps[^1], Pace(problem, mask, steps.Count, open.Length - 1, evaluations, evaluations));
        }

        return steps;
    }

    private static SearchPace Pace(SearchProblem problem, CutMask mask, int steps, int open, int begun, int evaluations)
    {
        var expected = SearchEstimate.Steps(problem, mask, steps);
        var left = 0;
        for (var step = steps; step < expected; step++) left += Math.Max(open - (step - steps), 0);
        return new SearchPace(steps, expected, evaluations, Math.Max(evaluations, begun + left));
    }
}
