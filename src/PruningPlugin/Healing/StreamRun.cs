using FinerCut.Masks;
using FinerCut.Pruning.Scoring;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// The residual stream of one mask's run over a set, sublayer by sublayer: the run stands after one sublayer, and whoever holds it may change the
/// stream there before it goes on. Only the states at that place are kept. One thread at a time.
/// </summary>
internal sealed class StreamRun(MaskedModel model, TokenBatches batches, CutMask mask)
{
    private readonly ResidualStates _states = new(mask.Units.Shape, [.. batches.Batches.Select(batch => batch.Tokens)], 0);

    /// <summary>Order of the sublayer after which the run stands; -1 = at the tokens.</summary>
    public int At { get; private set; } = -1;

    public CutMask Mask => mask;

    /// <summary>The stream [tokens × embedding] of a batch, for reading.</summary>
    public ReadOnlySpan<float> Stream(int batch) => _states.Get(batch, At);

    /// <summary>Changes the stream of a batch where the run stands.</summary>
    public void Replace(int batch, ReadOnlySpan<float> stream) => stream.CopyTo(_states.Put(batch, At, stream.Length));

    /// <summary>Runs on until after the sublayer <paramref name="order"/>.</summary>
    /// <param name="inputs">Takes the inputs of projections on the way; null where none is wanted.</param>
    public void Advance(int order, ProjectionInputs? inputs, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(order, At);
        var moved = At >= 0 && Enumerable.Range(At + 1, order - At).All(between => mask.IsGone(Sublayer.FromOrder(between)));
        for (var batch = 0; batch < batches.Batches.Length; batch++)
        {
            if (moved)
            {
                // Nothing is left of the sublayers between: the stream stays as it is.
                var stream = _states.Get(batch, At);
                stream.CopyTo(_states.Put(batch, order, stream.Length));
            }
            else model.Decode(batches.Batches[batch], mask, new StateUse(_states, batch, At, [order], inputs), logits: false, cancellationToken);
            if (At >= 0) _states.Release(batch, At);
        }

        At = order;
    }

    /// <summary>Computes a batch's logits from where the run stands; read them from the model's decoder.</summary>
    public void DecodeLogits(int batch, CancellationToken cancellationToken) =>
        model.Decode(batches.Batches[batch], mask, new StateUse(_states, batch, At, []), logits: true, cancellationToken);
}
