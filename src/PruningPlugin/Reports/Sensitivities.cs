using System.Collections.Immutable;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;

namespace FinerCut.Pruning.Reports;

/// <summary>What a search learned about single sublayers on its way. Pure.</summary>
internal static class Sensitivities
{
    /// <summary>For each whole sublayer that the search scored alone, in the order of the residual stream: its distance, on the most tokens it was asked on.</summary>
    public static ImmutableArray<SublayerSensitivity> Of(EvaluationJournal journal, UnitMap units)
    {
        var best = new Dictionary<string, Evaluation>(StringComparer.Ordinal);
        foreach (var evaluation in journal.Evaluations)
        {
            if (!best.TryGetValue(evaluation.Mask, out var known) || known.Share < evaluation.Share) best[evaluation.Mask] = evaluation;
        }

        return
        [
            .. units.Shape.Sublayers()
                .Select(sublayer => (sublayer, Found: best.GetValueOrDefault(EvaluationJournal.Key(CutMask.None(units).With(sublayer)))))
                .Where(pair => pair.Found is not null && double.IsFinite(pair.Found.Distance))
                .Select(pair => new SublayerSensitivity(pair.sublayer.ToString(), pair.Found!.Distance, pair.Found.Share)),
        ];
    }
}
