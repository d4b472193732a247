using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>
/// Greedy on what a removal adds to the distance for each byte that it saves. Growth found in an earlier step stands until its candidate
/// would win; only then is it found again (Minoux's accelerated greedy: exact where growth never falls as more is removed, and close
/// where it seldom does). A candidate is credited with no more bytes than the budget still asks for.
/// </summary>
/// <param name="firstShare">
/// Share of the tokens for a candidate's first look, in (0, 1]. Below 1 it is a race: all candidates run on few tokens, and only those that
/// then look like winners on all of them; none is removed before that.
/// </param>
public sealed class LazyGreedySearch(double firstShare = 1) : ISearch
{
    /// <summary>Evaluations a step once every candidate was scored: first guess of the estimate, before it knows better.</summary>
    private const int FirstGuess = 8;

    public IReadOnlyList<SearchStep> Run(SearchProblem problem, IMaskScorer scorer, ISearchObserver observer, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(problem);
        ArgumentNullException.ThrowIfNull(scorer);
        ArgumentNullException.ThrowIfNull(observer);
        var steps = new List<SearchStep>();
        var mask = CutMask.None(scorer.Units);
        var growth = new double[problem.Candidates.Count];
        var foundAt = new int[problem.Candidates.Count];
        Array.Fill(growth, double.NegativeInfinity);
        Array.Fill(foundAt, -1);
        var evaluations = 0;
        while (!problem.IsDone(mask, steps.Count == 0 ? 0 : steps[^1].Distance))
        {
            var open = problem.Open(mask).ToArray();
            if (open.Length == 0) break;
            scorer.Rebase(mask, cancellationToken);
            var distance = steps.Count == 0 ? 0 : steps[^1].Distance;
            var before = evaluations;
            var best = Best(problem, mask, open, growth);
            while (foundAt[best] != steps.Count)
            {
                var share = double.IsNegativeInfinity(growth[best]) ? firstShare : 1;
                var score = scorer.Score([problem.Candidates[best].Apply(mask)], share, cancellationToken)[0];
                evaluations++;
                growth[best] = !double.IsFinite(score) ? double.PositiveInfinity : score - (double.IsFinite(distance) ? distance : 0);
                foundAt[best] = share < 1 ? -1 : steps.Count;
                observer.Evaluated(Pace(problem, mask, steps.Count, evaluations));
                best = Best(problem, mask, open, growth);
            }

            mask = problem.Candidates[best].Apply(mask);
            steps.Add(new SearchStep(
                steps.Count + 1, mask, problem.Candidates[best], distance + growth[best], problem.Costs.Bytes(mask), evaluations - before));
            observer.Stepped(steps[^1], Pace(problem, mask, steps.Count, evaluations));
        }

        return steps;
    }

    private static int Best(SearchProblem problem, CutMask mask, int[] open, double[] growth)
    {
        var (best, least) = (-1, double.PositiveInfinity);
        foreach (var index in open)
        {
            var saved = problem.Saved(mask, problem.Candidates[index].Apply(mask));

            // A removal that brings the model nearer is the better the more it saves.
            var price = growth[index] > 0 ? growth[index] / saved : growth[index] * saved;
            if (best < 0 || price < least) (best, least) = (index, price);
        }

        return best;
    }

    private static SearchPace Pace(SearchProblem problem, CutMask mask, int steps, int evaluations)
    {
        var expected = SearchEstimate.Steps(problem, mask, steps);
        var first = problem.Candidates.Count;
        var each = steps > 1 ? Math.Max(1, (evaluations - first) / (double)steps) : FirstGuess;
        var left = (expected - Math.Max(steps, 1)) * each;
        return new SearchPace(steps, expected, evaluations, (int)Math.Ceiling(Math.Max(evaluations, first) + Math.Max(left, 0)));
    }
}
