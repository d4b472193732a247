using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>Sizes of an evolution.</summary>
/// <param name="Generations">How often offspring are made.</param>
/// <param name="Offspring">Of each generation; a quarter of them goes on to more tokens, the best of those meets the parent on all.</param>
/// <param name="FirstShare">Share of the tokens that all offspring are scored on.</param>
public sealed record EvolutionOptions(int Generations = 40, int Offspring = 12, double FirstShare = 0.125);

/// <summary>
/// Evolution in the manner of EvoPress (arXiv 2410.14649): one parent, offspring by swapping removed with kept candidates of the same grain and
/// kind, selection on ever more tokens, elitist. It starts from the removals that look cheapest one by one. Seeded.
/// </summary>
public sealed class EvolutionarySearch(int seed, EvolutionOptions? options = null) : ISearch
{
    private readonly EvolutionOptions _options = options ?? new EvolutionOptions();

    public IReadOnlyList<SearchStep> Run(SearchProblem problem, IMaskScorer scorer, ISearchObserver observer, CancellationToken cancellationToken)
    {
        var run = new SearchRun(problem, scorer, observer, cancellationToken);
        run.Expect(problem.Candidates.Count + 1 + (_options.Generations * (_options.Offspring + (_options.Offspring / 4) + 1)));
        var random = new Random(seed);
        Seed(run);
        for (var generation = 0; generation < _options.Generations && run.IsDone; generation++)
        {
            CutMask[] offspring = [.. Enumerable.Range(0, _options.Offspring).Select(_ => Mutate(run, random)).OfType<CutMask>().Distinct().Where(mask => !mask.Equals(run.Mask))];
            if (offspring.Length == 0) continue;
            run.Rebase();
            CutMask[] few = [.. offspring.OrderBy(mask => run.Score(mask, _options.FirstShare)).Take(Math.Max(1, _options.Offspring / 4))];
            var best = few.MinBy(mask => run.Score(mask, Math.Min(1, 4 * _options.FirstShare)))!;
            var distance = run.Score(best, 1);
            if (distance < run.Distance) run.Move(Change(run.Mask, best), best, distance);
        }

        run.End();
        return run.Steps;
    }

    private void Seed(SearchRun run)
    {
        var problem = run.Problem;
        run.Rebase();
        var estimates = new GrowthEstimates(problem);
        foreach (var index in estimates.WithoutAny(problem.Open(run.Mask).ToArray())) estimates.Set(index, run.Growth(problem.Candidates[index], _options.FirstShare), 1);
        var start = run.Branch(run.Mask, 0);
        while (!start.IsDone)
        {
            int[] open = [.. problem.Open(start.Mask)];
            if (open.Length == 0) break;
            var best = open.MinBy(index => start.Price(problem.Candidates[index], estimates[index]));
            var growth = estimates[best];
            start.Move(problem.Candidates[best], problem.Candidates[best].Apply(start.Mask), start.Distance + growth);
            estimates.Taken(best, growth);
        }

        if (!start.Mask.IsEmpty) run.Move(Change(run.Mask, start.Mask), start.Mask, run.Score(start.Mask, 1));
    }

    /// <summary>One to three swaps; null where nothing fits.</summary>
    private static CutMask? Mutate(SearchRun run, Random random)
    {
        var (problem, mask) = (run.Problem, run.Mask);
        for (var swaps = Math.Min(random.Next(3), random.Next(3)); swaps >= 0; swaps--)
        {
            int[] gone = [.. problem.Undoable(mask)];
            if (gone.Length == 0) return null;
            var back = problem.Candidates[gone[random.Next(gone.Length)]];
            mask = back.Undo(mask);
            bool Fits(int index) => !problem.Candidates[index].Units.Intersect(back.Units).Any();
            bool IsAlike(int index) => problem.Candidates[index].Grain == back.Grain && KindOf(problem, index) == mask.Units.UnitAt(back.Units[0]).Sublayer.Kind;
            for (var first = true; first || !problem.Budget.IsReached(mask, problem.Costs); first = false)
            {
                int[] open = [.. problem.Open(mask).Where(Fits)];
                int[] alike = [.. open.Where(IsAlike)];

                // Mostly alike, as EvoPress has it; sometimes anything, or the numbers of each kind would stay what they were.
                if (alike.Length > 0 && random.Next(4) > 0) open = alike;
                if (open.Length == 0) return null;
                mask = problem.Candidates[open[random.Next(open.Length)]].Apply(mask);
            }
        }

        return mask;
    }

    private static SublayerKind KindOf(SearchProblem problem, int index) => problem.Costs.Units.UnitAt(problem.Candidates[index].Units[0]).Sublayer.Kind;

    private static Candidate Change(CutMask from, CutMask to)
    {
        string[] back = [.. from.Removed().Where(unit => !to.Contains(unit)).Select(unit => $"-{from.Units.UnitAt(unit)}")];
        int[] gone = [.. to.Removed().Where(unit => !from.Contains(unit))];
        return new Candidate(string.Join(' ', back.Concat(gone.Select(unit => $"+{from.Units.UnitAt(unit)}"))), [.. gone]);
    }
}
