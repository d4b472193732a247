using System.Collections.Immutable;
using System.Numerics.Tensors;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;

namespace FinerCut.PruneBench;

/// <summary>Held-out figures of masks on the loaded model, whose logits are those of the written file bit by bit; the full model runs once.</summary>
internal sealed class HeldOutJudge : IDisposable
{
    private readonly MaskedModel _model;
    private readonly TokenBatches _batches;
    private readonly ReferenceLogits _reference;
    private readonly ScoringOptions _options;
    private readonly int[] _conversation;
    private readonly int[] _best;

    public HeldOutJudge(ILlamaModel model, ModelShape shape, CalibrationSet heldOut, ScoringOptions options)
    {
        _options = options;
        _batches = TokenBatches.Pack(heldOut, options.BatchTokens(model.Info));
        _model = new MaskedModel(model, shape, _batches.Capacity, options.Threads);
        _reference = new ReferenceLogits(_batches.Rows, model.Info.VocabularySize, options.LogitBytes);
        _conversation = new int[_batches.Rows];
        _best = new int[_batches.Rows];
        var none = CutMask.None(UnitMap.Sublayers(shape));
        foreach (var batch in _batches.Batches)
        {
            foreach (var (sequence, index, firstRow) in batch.Sequences) Array.Fill(_conversation, index, firstRow, sequence.Tokens.Length);
            var first = batch.FirstRow;
            _model.Decode(batch, none, CancellationToken.None);
            _model.Decoder.ForEachRow(options.Threads, (row, logits, scratch) =>
            {
                _reference.Set(first + row, logits, scratch);
                _best[first + row] = TensorPrimitives.IndexOfMax(logits);
            });
        }
    }

    public int Tokens => _batches.Rows;

    /// <summary>Mean KL(full‖lean) in nats a token with its 95 % interval over conversations, and the share of equal most likely tokens.</summary>
    public (Estimate Kl, double Top1) Of(CutMask mask)
    {
        var kl = new double[Tokens];
        var agrees = new bool[Tokens];
        foreach (var batch in _batches.Batches)
        {
            var first = batch.FirstRow;
            _model.Decode(batch, mask, CancellationToken.None);
            _model.Decoder.ForEachRow(_options.Threads, (row, logits, scratch) =>
            {
                kl[first + row] = LogitDistance.Between(DistanceKind.KullbackLeibler, _reference.Row(first + row, scratch), _reference.LogSumExp(first + row), logits);
                agrees[first + row] = TensorPrimitives.IndexOfMax(logits) == _best[first + row];
            });
        }

        var sums = Enumerable.Range(0, Tokens).GroupBy(row => _conversation[row]).OrderBy(rows => rows.Key).Select(rows => (rows.Sum(row => kl[row]), rows.Count())).ToImmutableArray();
        return (Bootstrap.Mean(sums, 0.95, 1), agrees.Count(agree => agree) / (double)Tokens);
    }

    public void Dispose() => _model.Dispose();
}
