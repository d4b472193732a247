using System.Numerics.Tensors;
using FinerCut.Masks;
using FinerCut.Pruning.Scoring;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// A pruned run with healing applied on the way, in managed code: what the healed file will compute, but for rounding. It goes on sublayer by
/// sublayer, since each fit is made on the stream that the earlier ones left. One thread at a time.
/// </summary>
internal sealed class HealedStream(MaskedModel model, TokenBatches batches, CutMask mask, int threads)
{
    private readonly StreamRun _run = new(model, batches, mask);
    private readonly ProjectionInputs _inputs = new();

    public int At => _run.At;

    public ReadOnlySpan<float> Stream(int batch) => _run.Stream(batch);

    /// <summary>Goes on until after a sublayer.</summary>
    /// <param name="reads">Whether the sublayer's projection is about to be changed, so that its inputs are needed.</param>
    public void Advance(int order, bool reads, CancellationToken cancellationToken)
    {
        _inputs.Want([order]);
        _run.Advance(order, reads ? _inputs : null, cancellationToken);
    }

    /// <summary>What the projection of the sublayer just passed took in, [tokens × channels kept]; valid until the run goes on.</summary>
    public ReadOnlySpan<float> Inputs(ProjectionWeights weights, int batch) => weights.Inputs(_inputs.Get(batch, weights.Sublayer.Order));

    /// <summary>The same of all channels: those that are gone as they would have been.</summary>
    public ReadOnlySpan<float> AllInputs(ProjectionWeights weights, int batch) => _inputs.Get(batch, weights.Sublayer.Order);

    /// <summary>Changes the stream as the sublayer's new projection would have.</summary>
    public void Apply(ProjectionWeights weights, HealedProjection healed)
    {
        var difference = weights.Difference(healed);
        if (difference is null && healed.Bias.Length == 0) return;
        for (var batch = 0; batch < batches.Batches.Length; batch++)
        {
            var stream = _run.Stream(batch).ToArray();
            if (difference is not null) Products.AddProduct(Inputs(weights, batch), weights.Channels.Length, difference, weights.Rows, stream, threads);
            if (healed.Bias.Length > 0)
            {
                for (var start = 0; start < stream.Length; start += weights.Rows)
                {
                    var row = stream.AsSpan(start, weights.Rows);
                    TensorPrimitives.Add(row, healed.Bias.AsSpan(), row);
                }
            }

            _run.Replace(batch, stream);
        }
    }

    /// <summary>Adds a site's map of the stream to it.</summary>
    public void Apply(HealingSite site, float epsilon)
    {
        var map = site.Decode(threads);
        for (var batch = 0; batch < batches.Batches.Length; batch++)
        {
            var stream = _run.Stream(batch).ToArray();
            map(StreamNorm.Of(stream, site.Norm.AsSpan(), epsilon), stream);
            _run.Replace(batch, stream);
        }
    }

    public void DecodeLogits(int batch, CancellationToken cancellationToken) => _run.DecodeLogits(batch, cancellationToken);
}
