using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>How long a local search goes on.</summary>
/// <param name="Patience">Swaps in a row that may fail.</param>
/// <param name="EvaluationShare">Evaluations after the greedy part, at most, for each one that it took.</param>
/// <param name="Tried">Removed candidates whose return is measured for each swap.</param>
public sealed record SwapOptions(int Patience = 4, double EvaluationShare = 1, int Tried = 4);

/// <summary>
/// Greedy by races first; then swaps: what is gone but looks dearest for its bytes comes back, and races fill the budget again with something
/// else. A swap stands where the distance falls on all tokens; otherwise it is undone and not tried again. So the search gets out of choices
/// that were right when they were made: the distance of a set is not the sum of its parts.
/// </summary>
public sealed class LocalSearch(RaceOptions? race = null, SwapOptions? swaps = null) : ISearch
{
    private readonly RaceOptions _race = race ?? new RaceOptions();
    private readonly SwapOptions _swaps = swaps ?? new SwapOptions();

    public IReadOnlyList<SearchStep> Run(SearchProblem problem, IMaskScorer scorer, ISearchObserver observer, CancellationToken cancellationToken)
    {
        var run = new SearchRun(problem, scorer, observer, cancellationToken);
        var races = new Race(run, _race);
        races.ToTheBudget();
        if (run.IsDone) Swap(run, races);
        run.End();
        return run.Steps;
    }

    private void Swap(SearchRun run, Race races)
    {
        var most = run.Evaluations + (int)(_swaps.EvaluationShare * run.Evaluations);
        var failed = new HashSet<CutMask>();
        var (best, failures) = ((run.Mask, run.Distance), 0);
        run.Expect(most);
        while (failures < _swaps.Patience && run.Evaluations < most)
        {
            if (Dearest(run, failed) is not { } back) return;
            var (from, dearest) = best;
            var candidate = run.Problem.Candidates[back];
            var without = candidate.Undo(from);
            failed.Add(without);
            var trial = run.Branch(without, run.Score(without, 1));
            var refill = races.On(trial);
            refill.Forget(back);
            refill.ToTheBudget(other => !candidate.Units.Intersect(run.Problem.Candidates[other].Units).Any());
            if (trial.IsDone && trial.Distance < dearest)
            {
                var put = string.Join(" +", trial.Steps.Select(step => step.Removed.Name));
                run.Move(new Candidate($"-{candidate.Name} +{put}", candidate.Units), trial.Mask, trial.Distance);
                best = (trial.Mask, trial.Distance);
                races = refill.On(run);
                failures = 0;
                continue;
            }

            failures++;
        }
    }

    /// <summary>The removed candidate whose return brings most for its bytes, of those that look best on few tokens.</summary>
    private int? Dearest(SearchRun run, HashSet<CutMask> failed)
    {
        double Relief(int index, double share)
        {
            var candidate = run.Problem.Candidates[index];
            var back = candidate.Undo(run.Mask);
            return (run.BaseAt(share) - run.Score(back, share)) / run.Problem.Saved(back, run.Mask);
        }

        int[] open = [.. run.Problem.Undoable(run.Mask).Where(index => !failed.Contains(run.Problem.Candidates[index].Undo(run.Mask)))];
        if (open.Length == 0) return null;
        run.Rebase();
        int[] few = [.. open.OrderByDescending(index => Relief(index, _race.FirstShare)).Take(_swaps.Tried)];
        return few.MaxBy(index => Relief(index, Math.Min(1, 4 * _race.FirstShare)));
    }
}
