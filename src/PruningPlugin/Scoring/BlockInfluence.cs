using System.Collections.Immutable;
using System.Numerics.Tensors;
using FinerCut.Calibration;
using FinerCut.Masks;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Scoring;

/// <summary>
/// How much each block of the full model turns the residual stream: 1 minus the mean cosine of the stream before and after it, over all tokens
/// (block influence of ShortGPT, arXiv 2403.03853, equation 1).
/// </summary>
public static class BlockInfluence
{
    /// <returns>By block; 0 for a block without sublayers.</returns>
    public static ImmutableArray<double> Measure(ILlamaModel model, ModelShape shape, CalibrationSet set, ScoringOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(options);
        var batches = TokenBatches.Pack(set, options.BatchTokens(model.Info));
        using var masked = new MaskedModel(model, shape, batches.Capacity, options.Threads);
        var units = UnitMap.Sublayers(shape);
        int[] ends = [.. shape.Sublayers().GroupBy(sublayer => sublayer.Block).Select(block => block.Last().Order)];
        var first = shape.Sublayers().First();
        var sums = new double[shape.Blocks.Length];
        foreach (var batch in batches.Batches)
        {
            var before = States(masked, batch, units, CutMask.None(units).With(first), [first.Order], cancellationToken).Get(0, first.Order).ToArray();
            var states = States(masked, batch, units, CutMask.None(units), ends, cancellationToken);
            foreach (var end in ends)
            {
                var after = states.Get(0, end).ToArray();
                for (var row = 0; row < batch.Tokens; row++)
                {
                    var width = shape.EmbeddingLength;
                    sums[end / 2] += 1 - TensorPrimitives.CosineSimilarity(before.AsSpan(row * width, width), after.AsSpan(row * width, width));
                }

                before = after;
            }
        }

        return [.. sums.Select(sum => sum / batches.Rows)];
    }

    /// <summary>The stream after the given sublayers. With the first sublayer gone, the stream after it is the one before it.</summary>
    private static ResidualStates States(MaskedModel masked, PackedSequences batch, UnitMap units, CutMask mask, int[] orders, CancellationToken cancellationToken)
    {
        var states = new ResidualStates(units.Shape, [batch.Tokens], long.MaxValue);
        masked.Decode(batch, mask, new StateUse(states, 0, -1, orders), logits: false, cancellationToken);
        return states;
    }
}
