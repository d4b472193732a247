using System.Collections.Immutable;
using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>
/// Several masks grow side by side; each one's best removals, found by races, make the next generation, of which those with the least
/// distance for each byte gone stay. At the end the least distance wins.
/// </summary>
/// <param name="width">Masks kept.</param>
/// <param name="branching">Removals tried of each.</param>
public sealed class BeamSearch(int width = 3, int branching = 3, RaceOptions? race = null) : ISearch
{
    private readonly RaceOptions _race = (race ?? new RaceOptions()) with { RoundShare = 0 };

    public IReadOnlyList<SearchStep> Run(SearchProblem problem, IMaskScorer scorer, ISearchObserver observer, CancellationToken cancellationToken)
    {
        var run = new SearchRun(problem, scorer, observer, cancellationToken);
        ImmutableArray<Beam> beams = [new Beam(run, new Race(run, _race), [])];
        while (beams.Any(beam => !beam.Run.IsDone))
        {
            var next = beams.SelectMany(beam => beam.Run.IsDone ? [beam] : Grow(beam)).ToArray();
            if (next.Length == 0) break;
            beams = [.. next.DistinctBy(beam => beam.Run.Mask).OrderBy(beam => Price(problem, beam.Run)).Take(width)];
        }

        foreach (var step in beams.MinBy(beam => beam.Run.Distance)!.Path) run.Move(step.Removed, step.Mask, step.Distance);
        run.End();
        return run.Steps;
    }

    private IEnumerable<Beam> Grow(Beam beam)
    {
        var run = beam.Run;
        var ranked = beam.Race.Ranked(_ => true);
        foreach (var index in ranked.Take(branching).ToArray())
        {
            var candidate = run.Problem.Candidates[index];
            var growth = run.Growth(candidate, 1);
            var child = run.Branch(candidate.Apply(run.Mask), run.BaseAt(1) + growth);
            var race = beam.Race.On(child);
            race.Took(index, growth);
            yield return new Beam(child, race, beam.Path.Add(new SearchStep(0, child.Mask, candidate, child.Distance, 0, 0)));
        }
    }

    /// <summary>Distance a byte; bytes beyond the budget do not count.</summary>
    private static double Price(SearchProblem problem, SearchRun run) =>
        run.Distance / problem.Saved(CutMask.None(run.Mask.Units), run.Mask);

    private sealed record Beam(SearchRun Run, Race Race, ImmutableList<SearchStep> Path);
}
