using System.Numerics.Tensors;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;

namespace FinerCut.PruneBench;

/// <summary>Healed masks judged in their simulation, on held-out traffic and on text unlike it; the full model runs once.</summary>
internal sealed class HealedJudge
{
    private readonly ILlamaModel _model;
    private readonly GgufShards _file;
    private readonly CalibrationSet _set;
    private readonly ScoringOptions _options;
    private readonly float[][] _reference;
    private readonly int _traffic;

    public HealedJudge(ILlamaModel model, GgufShards file, CalibrationSet heldOut, CalibrationSet general, ScoringOptions options)
    {
        (_model, _file, _options, _traffic) = (model, file, options, heldOut.Sequences.Length);
        _set = new CalibrationSet("judged", [.. heldOut.Sequences, .. general.Sequences]);
        _reference = new float[_set.TokenCount][];
        var at = 0;
        HealedSimulation.Run(model, file, CutMask.None(UnitMap.Sublayers(ModelShapeReader.Read(file.Model))), HealedModel.None, _set, options, (_, decoder) =>
        {
            var start = at;
            at += decoder.Rows().Count;
            decoder.ForEachRow(options.Threads, (row, logits, _) => _reference[start + row] = logits.ToArray());
        }, default);
    }

    public string Of(CutMask mask, HealedModel healed)
    {
        var batches = TokenBatches.Pack(_set, _options.BatchTokens(_model.Info.VocabularySize));
        var (start, sums) = (0, new double[2, 5]);
        HealedSimulation.Run(_model, _file, mask, healed, _set, _options, (batch, decoder) =>
        {
            var sequences = batches.Batches[batch].Sequences;
            var next = sequences.SelectMany(s => s.Sequence.Tokens.Skip(1).Append(-1)).ToArray();
            var kind = sequences.SelectMany(s => Enumerable.Repeat(s.Index < _traffic ? 0 : 1, s.Sequence.Tokens.Length)).ToArray();
            var figures = new (double Kl, double Top, double Nll, double Full)[next.Length];
            var first = start;
            decoder.ForEachRow(_options.Threads, (row, logits, _) =>
            {
                var full = _reference[first + row];
                var (a, b) = (LogitDistance.LogSumExp(full), LogitDistance.LogSumExp(logits));
                figures[row] = (LogitDistance.Between(DistanceKind.KullbackLeibler, full, a, logits), TensorPrimitives.IndexOfMax<float>(full) == TensorPrimitives.IndexOfMax(logits) ? 1 : 0,
                    next[row] < 0 ? 0 : b - logits[next[row]], next[row] < 0 ? 0 : a - full[next[row]]);
            });
            start += next.Length;
            for (var row = 0; row < next.Length; row++)
            {
                sums[kind[row], 0]++;
                sums[kind[row], 1] += figures[row].Kl;
                sums[kind[row], 2] += figures[row].Top;
                sums[kind[row], 3] += figures[row].Nll;
                sums[kind[row], 4] += figures[row].Full;
            }
        }, default);
        string Part(int kind) => sums[kind, 0] == 0 ? "-" : FormattableString.Invariant(
            $"KL {sums[kind, 1] / sums[kind, 0]:F4} top-1 {sums[kind, 2] / sums[kind, 0]:P1} NLL {sums[kind, 3] / sums[kind, 0]:F3} (full {sums[kind, 4] / sums[kind, 0]:F3})");
        return $"traffic {Part(0)} | general {Part(1)}";
    }
}
