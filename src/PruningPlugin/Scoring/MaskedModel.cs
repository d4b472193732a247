using FinerCut.Masks;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Scoring;

/// <summary>
/// A loaded model that decodes under any mask, and from kept residual states, without loading anything again. Logits are those of the file
/// that the rewriter writes for the mask, bit by bit on the CPU. One thread at a time.
/// </summary>
internal sealed class MaskedModel : IDisposable
{
    private readonly MaskObserver _observer = new();
    private readonly Dictionary<int, RecordedGraph> _graphs = [];
    private readonly ModelShape _shape;

    public MaskedModel(ILlamaModel model, ModelShape shape, int capacity, int threads)
    {
        _shape = shape;
        Decoder = new TokenDecoder(model, capacity, threads, _observer);
    }

    public TokenDecoder Decoder { get; }

    public void Decode(PackedSequences sequences, CutMask mask, CancellationToken cancellationToken) =>
        Decode(sequences, mask, new StateUse(null, 0, -1, []), logits: true, cancellationToken);

    public void Decode(PackedSequences sequences, CutMask mask, StateUse states, bool logits, CancellationToken cancellationToken)
    {
        var graph = GraphOf(sequences, cancellationToken);
        _observer.Follow(GraphPlan.Build(graph, mask, states.Restore, states.Capture, states.Inputs?.Orders ?? [], logits), mask, states);
        Run(sequences, cancellationToken);
    }

    public void Dispose() => Decoder.Dispose();

    private RecordedGraph GraphOf(PackedSequences sequences, CancellationToken cancellationToken)
    {
        if (_graphs.TryGetValue(sequences.Tokens, out var graph)) return graph;
        var recorder = new GraphRecorder(_shape);
        _observer.Record(recorder);
        Run(sequences, cancellationToken);
        return _graphs[sequences.Tokens] = recorder.Finish();
    }

    private void Run(PackedSequences sequences, CancellationToken cancellationToken)
    {
        var complete = false;
        try
        {
            Decoder.Decode(sequences, cancellationToken);
            complete = true;
        }
        finally
        {
            _observer.Finish(complete);
        }
    }
}

/// <summary>How a decode uses kept residual states.</summary>
/// <param name="Batch">Whose states: the batch's number.</param>
/// <param name="Restore">Order of the sublayer after which the run begins, -1 = from the tokens.</param>
/// <param name="Capture">Orders of sublayers after which states are kept.</param>
/// <param name="Inputs">Where projections' inputs go, null where none is wanted.</param>
internal readonly record struct StateUse(ResidualStates? States, int Batch, int Restore, IReadOnlyCollection<int> Capture, ProjectionInputs? Inputs = null);
