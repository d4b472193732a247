using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Memory;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Healing;

/// <summary>A mask and how what it leaves was healed.</summary>
/// <param name="Source">The full model's file; needed where something was healed.</param>
internal sealed record HealedMask(CutMask Mask, HealedModel Healed, GgufShards? Source);

/// <summary>Logits of a healed model before there is a file of it. One thread.</summary>
internal static class HealedSimulation
{
    /// <summary>Runs a set through the full model under the mask with healing applied.</summary>
    /// <param name="each">Called batch by batch with the batch's number and its logits, which are valid during the call only.</param>
    public static void Run(
        ILlamaModel model, GgufShards source, CutMask mask, HealedModel healed, CalibrationSet set, ScoringOptions options, Action<int, TokenDecoder> each, CancellationToken cancellationToken)
    {
        var batches = TokenBatches.Pack(set, options.BatchTokens(model.Info));
        using var masked = new MaskedModel(model, mask.Units.Shape, batches.Capacity, options.Threads);
        var stream = Begin(masked, new HealedMask(mask, healed, source), batches, options.Threads, cancellationToken);
        for (var batch = 0; batch < batches.Batches.Length; batch++)
        {
            if (stream.At >= 0) stream.DecodeLogits(batch, cancellationToken);
            else masked.Decode(batches.Batches[batch], mask, cancellationToken);
            each(batch, masked.Decoder);
        }
    }

    /// <summary>A run that has all of the healing behind it: logits can be decoded from it, batch by batch.</summary>
    public static HealedStream Begin(MaskedModel masked, HealedMask healedMask, TokenBatches batches, int threads, CancellationToken cancellationToken)
    {
        var (mask, healed, source) = healedMask;
        var stream = new HealedStream(masked, batches, mask, threads);
        if (healed.IsEmpty) return stream;
        ArgumentNullException.ThrowIfNull(source);
        var epsilon = StreamNorm.EpsilonOf(source.Model);
        foreach (var order in healed.Projections.Select(projection => projection.Sublayer.Order).Concat(healed.Sites.Select(site => site.Sublayer.Order)).Order())
        {
            var projection = healed.Projections.FirstOrDefault(projection => projection.Sublayer.Order == order);
            stream.Advance(order, projection is not null, cancellationToken);
            if (projection is not null) stream.Apply(ProjectionWeights.Of(source, mask, projection.Sublayer)!, projection);
            else stream.Apply(healed.Sites.Single(site => site.Sublayer.Order == order), epsilon);

            // Its matrices are garbage that the heap would let grow by far (JobMemory).
            FreedMemory.GiveBack();
        }

        return stream;
    }
}
