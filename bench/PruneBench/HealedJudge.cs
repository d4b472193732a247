using System.Numerics.Tensors;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Gates;
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

    /// <summary>Columns of a table: KL with its 95 % interval over conversations, top-1, NLL (the full model's); of text unlike the traffic its KL, and what its NLL grows by over the full model's with its interval over pieces.</summary>
    public string Of(CutMask mask, HealedModel healed)
    {
        var batches = TokenBatches.Pack(_set, _options.BatchTokens(_model.Info));
        var (start, sums) = (0, new Figures[_set.Sequences.Length]);
        HealedSimulation.Run(_model, _file, mask, healed, _set, _options, (batch, decoder) =>
        {
            var sequences = batches.Batches[batch].Sequences;
            var next = sequences.SelectMany(s => s.Sequence.Tokens.Skip(1).Append(-1)).ToArray();
            var of = sequences.SelectMany(s => Enumerable.Repeat(s.Index, s.Sequence.Tokens.Length)).ToArray();
            var figures = new Figures[next.Length];
            var first = start;
            decoder.ForEachRow(_options.Threads, (row, logits, _) =>
            {
                var full = _reference[first + row];
                var (a, b) = (LogitDistance.LogSumExp(full), LogitDistance.LogSumExp(logits));
                figures[row] = new Figures(
                    1, LogitDistance.Between(DistanceKind.KullbackLeibler, full, a, logits), TensorPrimitives.IndexOfMax<float>(full) == TensorPrimitives.IndexOfMax(logits) ? 1 : 0,
                    next[row] < 0 ? 0 : b - logits[next[row]], next[row] < 0 ? 0 : a - full[next[row]]);
            });
            start += next.Length;
            for (var row = 0; row < next.Length; row++) sums[of[row]] += figures[row];
        }, default);
        var kl = Bootstrap.Mean([.. sums[.._traffic].Select(sum => (sum.Kl, (int)sum.Tokens))], 0.95, 1);
        var added = Bootstrap.Mean([.. sums[_traffic..].Select(sum => (sum.Nll - sum.Full, (int)sum.Tokens))], 0.95, 1);
        var (traffic, other) = (sums[.._traffic].Aggregate((a, b) => a + b), sums[_traffic..].Aggregate((a, b) => a + b));
        return FormattableString.Invariant(
            $"{kl.Mean:F3} [{kl.Low:F3}, {kl.High:F3}] | {traffic.Top1 / traffic.Tokens:P1} | {traffic.Nll / traffic.Tokens:F3} ({traffic.Full / traffic.Tokens:F3}) | {other.Kl / other.Tokens:F3} | {added.Mean:F3} [{added.Low:F3}, {added.High:F3}]");
    }

    /// <summary>Sums over tokens.</summary>
    private readonly record struct Figures(double Tokens, double Kl, double Top1, double Nll, double Full)
    {
        public static Figures operator +(Figures a, Figures b) => new(a.Tokens + b.Tokens, a.Kl + b.Kl, a.Top1 + b.Top1, a.Nll + b.Nll, a.Full + b.Full);
    }
}
