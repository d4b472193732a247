using System.Collections.Immutable;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Reports;

/// <summary>What a search learned about single sublayers and units on its way. Pure.</summary>
internal static class Sensitivities
{
    /// <summary>For each whole sublayer that the search scored alone, in the order of the residual stream: its distance, on the most tokens it was asked on.</summary>
    public static ImmutableArray<SublayerSensitivity> Of(EvaluationJournal journal, UnitMap units)
    {
        var best = Best(journal);
        return
        [
            .. units.Shape.Sublayers()
                .Select(sublayer => (sublayer, Found: best.GetValueOrDefault(EvaluationJournal.Key(CutMask.None(units).With(sublayer)))))
                .Where(pair => pair.Found is not null)
                .Select(pair => new SublayerSensitivity(pair.sublayer.ToString(), pair.Found!.Distance, pair.Found.Share)),
        ];
    }

    /// <summary>
    /// For each unit of the map its distance where it was scored alone. The surgeon scores the first few units of a sublayer together: there each one has its part of
    /// that distance, by its error.
    /// </summary>
    /// <param name="errors">The surgeon's, of each unit; empty where another search ran.</param>
    public static ImmutableArray<double?> OfUnits(EvaluationJournal journal, UnitMap units, ImmutableArray<UnitError> errors)
    {
        var best = Best(journal);
        double? Distance(IEnumerable<int> removed) => best.GetValueOrDefault(EvaluationJournal.Key(CutMask.Of(units, removed)))?.Distance;
        var found = new double?[units.Count];
        foreach (var (start, end) in units.Shape.Sublayers().Select(units.RangeOf))
        {
            for (var unit = start; unit < end; unit++) found[unit] = Distance([unit]);
            if (errors.IsEmpty) continue;
            for (var count = 1; count <= end - start; count++)
            {
                if (Distance(Enumerable.Range(start, count)) is not { } together) continue;
                var error = Enumerable.Range(start, count).Sum(unit => errors[unit].Plain);
                for (var unit = start; error > 0 && unit < end; unit++) found[unit] ??= double.IsFinite(errors[unit].Fitted) ? Math.Max(together, 0) * errors[unit].Plain / error : null;
                break;
            }
        }

        return [.. found];
    }

    /// <param name="distances">Of each unit of the mask's map.</param>
    public static ImmutableArray<SublayerUnits> Describe(CutMask mask, ImmutableArray<double?> distances) =>
    [
        .. mask.Units.Shape.Sublayers().Select(sublayer =>
        {
            var (start, end) = mask.Units.RangeOf(sublayer);
            ImmutableArray<double?> own = [.. distances.AsSpan(start..end)];
            return new SublayerUnits(
                sublayer.ToString(), end - start, [.. Enumerable.Range(0, end - start).Where(unit => mask.Contains(start + unit))], own.All(distance => distance is null) ? [] : own);
        }),
    ];

    /// <summary>Each mask's evaluation on the most tokens, where its output was a number.</summary>
    private static Dictionary<string, Evaluation> Best(EvaluationJournal journal)
    {
        var best = new Dictionary<string, Evaluation>(StringComparer.Ordinal);
        foreach (var evaluation in journal.Evaluations.Where(evaluation => double.IsFinite(evaluation.Distance)))
        {
            if (!best.TryGetValue(evaluation.Mask, out var known) || known.Share < evaluation.Share) best[evaluation.Mask] = evaluation;
        }

        return best;
    }
}
