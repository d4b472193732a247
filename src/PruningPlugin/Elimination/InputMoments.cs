using FinerCut.Masks;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Scoring;

namespace FinerCut.Pruning.Elimination;

/// <summary>
/// Second moments of what each sublayer's output projection takes in, over a set's tokens on the full model. A token counts as <see cref="TokenWeight"/> says. Mutable while it is summed; one owner.
/// </summary>
internal sealed class InputMoments
{
    private InputMoments(int channels)
    {
        Channels = channels;
        Squares = new double[(long)channels * channels];
        Sums = new double[channels];
    }

    public int Channels { get; }

    /// <summary>Σ w·x·xᵀ, [channels × channels]; only j ≤ i is defined.</summary>
    public double[] Squares { get; }

    /// <summary>Σ w·x.</summary>
    public double[] Sums { get; }

    /// <summary>Σ w.</summary>
    public double Weight { get; private set; }

    /// <summary>Moments of inputs that are at hand.</summary>
    /// <param name="inputs">[tokens × channels].</param>
    /// <param name="weights">One a token.</param>
    public static InputMoments Of(float[] inputs, float[] weights, int channels)
    {
        var moments = new InputMoments(channels);
        moments.Add(inputs, weights, 1);
        return moments;
    }

    /// <summary>Channels of a sublayer's projection.</summary>
    public static int ChannelsOf(ModelShape shape, Sublayer sublayer) =>
        sublayer.Kind == SublayerKind.Ffn ? shape.Blocks[sublayer.Block].FfnLength : shape.Blocks[sublayer.Block].HeadCount * shape.HeadLength;

    /// <summary>Bytes of a sublayer's moments, with its inputs and the stream after it in one batch.</summary>
    public static long BytesOf(ModelShape shape, Sublayer sublayer, int batchTokens) =>
        (sizeof(double) * (long)ChannelsOf(shape, sublayer) * ChannelsOf(shape, sublayer)) + (sizeof(float) * (long)batchTokens * (ChannelsOf(shape, sublayer) + shape.EmbeddingLength));

    /// <summary>Sums over one run of the full model.</summary>
    /// <param name="sublayers">Whose moments are wanted, together in memory.</param>
    /// <param name="progress">Batches done.</param>
    public static Dictionary<Sublayer, InputMoments> Measure(
        MaskedModel masked, ModelShape shape, TokenBatches batches, IReadOnlyCollection<Sublayer> sublayers, int threads, Action<int> progress, CancellationToken cancellationToken)
    {
        var none = CutMask.None(UnitMap.Sublayers(shape));
        int[] orders = [.. sublayers.Select(sublayer => sublayer.Order)];
        var moments = sublayers.ToDictionary(sublayer => sublayer, sublayer => new InputMoments(ChannelsOf(shape, sublayer)));
        var inputs = new ProjectionInputs();
        inputs.Want(orders);
        var states = new ResidualStates(shape, [batches.Capacity], long.MaxValue);
        for (var batch = 0; batch < batches.Batches.Length; batch++)
        {
            masked.Decode(batches.Batches[batch], none, new StateUse(states, 0, -1, orders, inputs), logits: false, cancellationToken);
            foreach (var (sublayer, sums) in moments) sums.Add(inputs.Get(0, sublayer.Order), TokenWeight.OfEach(states.Get(0, sublayer.Order), shape.EmbeddingLength), threads);
            progress(batch + 1);
        }

        return moments;
    }

    private void Add(ReadOnlySpan<float> x, float[] weights, int threads)
    {
        Products.AddOuter(x, Channels, x, Channels, weights, Squares, lower: true, threads);
        for (var token = 0; token < weights.Length; token++)
        {
            double weight = weights[token];
            var row = x.Slice(token * Channels, Channels);
            for (var channel = 0; channel < Channels; channel++) Sums[channel] += weight * row[channel];
            Weight += weight;
        }
    }
}
