using System.Collections.Immutable;
using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>What a unit's removal adds to its sublayer's error once those before it in the sublayer are gone: squared, relative to the stream's energy.</summary>
/// <param name="Fitted">After the rest of the sublayer was fitted anew; infinite where the unit must stay.</param>
/// <param name="Plain">Without any fit: what a masked model does.</param>
public readonly record struct UnitError(double Fitted, double Plain);

/// <summary>
/// The optimal brain surgeon over a whole model. How much a sublayer's error grows unit by unit, each followed by a fit of what is left, is known beforehand
/// from second moments; how much the model's output minds an error there is scored once for each sublayer, on a part of it: distances grow with the square of
/// small errors. The product is what each next unit costs, and units go by cost for each byte. So it takes one evaluation a sublayer,
/// whatever the budget; what the last unit leaves unneeded for the budget comes back. Its steps' distances are predictions of the healed model's, not scores of the masks, which nobody is going to run.
/// </summary>
/// <param name="errors">Of every unit; a sublayer's units go in the order of the unit map.</param>
public sealed class SurgeonSearch(ImmutableArray<UnitError> errors) : ISearch
{
    /// <summary>Share of a sublayer's units that its sensitivity is scored on: few enough for small errors, enough to stand out from rounding.</summary>
    private const double ProbeShare = 1.0 / 3;

    /// <summary>Share of the tokens that sensitivities are scored on: they are ratios between sublayers, not distances to report.</summary>
    private const double TokenShare = 0.25;

    /// <summary>
    /// Share of a unit's plain error that is reckoned to stay whatever a fit is said to make up for. Fits know their own tokens, and what a sensitivity says of a large error says little of a small residue in
    /// other directions: healed models were further from their predictions the more their masks hurt not healed, by 3 to 12 % of that (docs/adr/0013).
    /// </summary>
    private const double Unconfirmed = 0.05;

    /// <summary>Steps that a budget is reported in; fewer where it takes fewer units.</summary>
    private const int Steps = 12;

    public IReadOnlyList<SearchStep> Run(SearchProblem problem, IMaskScorer scorer, ISearchObserver observer, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(problem);
        ArgumentNullException.ThrowIfNull(scorer);
        var run = new SearchRun(problem, scorer, observer, cancellationToken);
        var queues = Queues(problem, scorer.Units);
        run.Expect(queues.Length, Steps);
        run.Rebase();
        run.Prepare(queues.Select(queue => CutMask.Of(run.Mask.Units, ProbeOf(queue))), TokenShare);
        double[] harm = [.. queues.Select(queue => Sensitivity(run, queue))];
        var (mask, taken, distance) = (run.Mask, new List<int>(), 0.0);
        foreach (var (unit, harmed) in Chosen(problem, mask, queues, harm))
        {
            mask = mask.With(unit);
            taken.Add(unit);
            distance += harmed;
            if (problem.Budget.ShareReached(mask, problem.Costs) < (run.Steps.Count + 1.0) / Steps) continue;
            Step(run, mask, taken, distance);
        }

        if (taken.Count > 0) Step(run, mask, taken, distance);
        run.End();
        return run.Steps;
    }

    /// <summary>Units in the order in which they go, with what each adds to the distance.</summary>
    private List<(int Unit, double Distance)> Chosen(SearchProblem problem, CutMask mask, int[][] queues, double[] harm)
    {
        var (next, units) = (new int[queues.Length], mask.Units.Count);
        double[] prices = [.. queues.Select((queue, at) => Price(problem, mask, queue, harm[at]))];
        var (chosen, distance) = (new List<(int Unit, double Distance)>(), 0.0);
        while (!problem.IsDone(mask, distance))
        {
            var best = Enumerable.Range(0, queues.Length).Where(at => double.IsFinite(prices[at])).DefaultIfEmpty(-1).MinBy(at => at < 0 ? 0 : prices[at]);
            if (best < 0 || mask.Count + 1 >= units) return chosen;
            var unit = queues[best][next[best]++];
            mask = mask.With(unit);
            chosen.Add((unit, harm[best] * Left(unit)));
            distance += chosen[^1].Distance;
            prices[best] = Price(problem, mask, queues[best].AsSpan(next[best]), harm[best]);
        }

        // The last unit overshoots the budget: of what each sublayer lost last, what is not needed for it comes back, what costs most first.
        while (chosen.Count > 1)
        {
            var spared = chosen.GroupBy(choice => mask.Units.UnitAt(choice.Unit).Sublayer).Select(lost => lost.Last()).Where(last => problem.IsDone(mask.Without(last.Unit), distance))
                .DefaultIfEmpty((Unit: -1, Distance: 0)).MaxBy(last => last.Distance);
            if (spared.Unit < 0) break;
            chosen.Remove(spared);
            mask = mask.Without(spared.Unit);
            distance -= spared.Distance;
        }

        return chosen;
    }

    /// <summary>Each sublayer's units that may go, in their order, up to the first that must stay.</summary>
    private int[][] Queues(SearchProblem problem, UnitMap units)
    {
        var open = problem.Candidates.SelectMany(candidate => candidate.Units).Where(unit => double.IsFinite(errors[unit].Fitted)).ToHashSet();
        return
        [
            .. units.Shape.Sublayers().Select(units.RangeOf).Select(range => Enumerable.Range(range.Start, range.End - range.Start).TakeWhile(open.Contains).ToArray()).Where(queue => queue.Length > 0),
        ];
    }

    private double Left(int unit) => errors[unit].Fitted + (Unconfirmed * errors[unit].Plain);

    private static int[] ProbeOf(int[] queue) => queue[..Math.Max(1, (int)(ProbeShare * queue.Length))];

    /// <summary>Distance for each unit of error.</summary>
    private double Sensitivity(SearchRun run, int[] queue)
    {
        var probe = ProbeOf(queue);
        var score = run.Score(CutMask.Of(run.Mask.Units, probe), TokenShare);
        return double.IsFinite(score) ? Math.Max(score, 0) / Math.Max(probe.Sum(unit => errors[unit].Plain), double.Epsilon) : double.PositiveInfinity;
    }

    /// <summary>Cost for each byte of the best stretch from here, since an error that grows ever slower is worth taking whole; infinite where nothing is left.</summary>
    private double Price(SearchProblem problem, CutMask mask, ReadOnlySpan<int> rest, double sensitivity)
    {
        var (sum, least, before) = (0.0, double.PositiveInfinity, mask);
        foreach (var unit in rest)
        {
            mask = mask.With(unit);
            sum += Left(unit);
            least = Math.Min(least, sensitivity * sum / problem.Saved(before, mask));
        }

        return least;
    }

    private static void Step(SearchRun run, CutMask mask, List<int> taken, double distance)
    {
        run.Move(new Candidate(Name(mask.Units, taken), [.. taken]), mask, distance);
        taken.Clear();
    }

    /// <summary>Neighbouring units of a sublayer together: attn:3/kv0 ffn:7/slice2-5.</summary>
    private static string Name(UnitMap units, List<int> taken) => string.Join(' ', taken.Select(units.UnitAt).GroupBy(unit => unit.Sublayer).OrderBy(group => group.Key).Select(group =>
    {
        var (first, last) = (group.Min(unit => unit.Index), group.Max(unit => unit.Index));
        return last == first ? $"{new Unit(group.Key, first)}" : $"{new Unit(group.Key, first)}-{last}";
    }));
}
