using System.Collections.Immutable;
using System.Runtime.ExceptionServices;
using FinerCut.Calibration;
using FinerCut.Masks;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Scoring;

/// <summary>
/// Mean square of every FFN channel's activation on a set: the input of ffn_down, read as the evaluation callback passes by. One pass of the
/// full model. Called on the decoding thread.
/// </summary>
public sealed class ChannelProbe : IGraphObserver
{
    private readonly double[]?[] _squares;
    private float[] _row = [];
    private Exception? _failure;

    private ChannelProbe(ModelShape shape) =>
        _squares = [.. shape.Blocks.Select(block => block.FfnLength == 0 ? null : new double[block.FfnLength])];

    /// <returns>By block, mean squares [channels]; empty where a block has no FFN.</returns>
    /// <exception cref="UnsupportedGraphException">The graph has no such input in single precision.</exception>
    public static ImmutableArray<ImmutableArray<double>> Measure(
        ILlamaModel model, ModelShape shape, CalibrationSet set, ScoringOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(options);
        var batches = TokenBatches.Pack(set, options.BatchTokens(model.Info));
        var probe = new ChannelProbe(shape);
        using var decoder = new TokenDecoder(model, batches.Capacity, options.Threads, probe);
        foreach (var batch in batches.Batches)
        {
            decoder.Decode(batch, cancellationToken);
            if (probe._failure is { } failure) ExceptionDispatchInfo.Throw(failure);
        }

        return [.. probe._squares.Select(squares => squares is null ? [] : squares.Select(sum => sum / batches.Rows).ToImmutableArray())];
    }

    public bool OnNode(GraphNode node, bool ask)
    {
        if (node.Op != GgmlOp.MulMat || _failure is not null) return !ask;
        try
        {
            if (!WeightNames.TryParseOutput(node.Source(0).Name, out var sublayer) || sublayer.Kind != SublayerKind.Ffn) return !ask;

            // The group ends at the projection: once it is computed its input still stands, since nothing came after it.
            if (!ask) Read(node.Source(1), sublayer.Block);
            return true;
        }
        catch (Exception failure)
        {
            // The frame above is native; Measure says what went wrong.
            _failure = failure;
            return true;
        }
    }

    private void Read(GraphNode input, int block)
    {
        var sums = _squares[block] ?? throw new UnsupportedGraphException($"Block {block} has no FFN, but its projection is computed.");
        if (input.Nb(0) != sizeof(float) || input.Ne(0) != sums.Length)
        {
            throw new UnsupportedGraphException($"ffn:{block}: its projection's input has {input.Ne(0)} elements a row; expected {sums.Length} of single precision.");
        }

        if (_row.Length != sums.Length) _row = new float[sums.Length];
        var rows = input.Ne(1) * input.Ne(2) * input.Ne(3);
        for (long row = 0; row < rows; row++)
        {
            input.Read(_row.AsSpan(), row * input.Nb(1));
            for (var channel = 0; channel < sums.Length; channel++) sums[channel] += (double)_row[channel] * _row[channel];
        }
    }
}
