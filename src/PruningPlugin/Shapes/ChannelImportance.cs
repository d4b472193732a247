using System.Collections.Immutable;
using FinerCut.Gguf;

namespace FinerCut.Pruning.Shapes;

/// <summary>
/// What each FFN channel adds to the residual stream: mean square of its activation times the squared norm of its column of ffn_down, which is
/// the mean square of what the stream loses without it. Immutable.
/// </summary>
public sealed class ChannelImportance
{
    private readonly ImmutableArray<ImmutableArray<double>> _channels;

    /// <param name="channels">By block, for each channel; empty where a block has no FFN.</param>
    public ChannelImportance(ImmutableArray<ImmutableArray<double>> channels) => _channels = channels;

    /// <param name="file">The model: ffn_down is decoded, one row at a time; where its type is not decoded, norms count as equal.</param>
    /// <param name="energies">By block, mean square of each channel's activation.</param>
    public static ChannelImportance Of(GgufShards file, ImmutableArray<ImmutableArray<double>> energies)
    {
        ArgumentNullException.ThrowIfNull(file);
        return new ChannelImportance([.. energies.Select((energy, block) =>
            energy.IsEmpty ? [] : energy.Zip(SquaredColumnNorms(file, $"blk.{block}.ffn_down.weight"), (left, right) => left * right).ToImmutableArray())]);
    }

    public static ChannelImportance Of(GgufFile file, ImmutableArray<ImmutableArray<double>> energies) => Of(GgufShards.Of(file), energies);

    /// <summary>Names of the ffn_down tensors whose type is not decoded here: their channels are ranked by activation energy alone.</summary>
    public static IEnumerable<string> WithoutNorms(GgufModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.Tensors.Where(tensor => tensor.Name.EndsWith(".ffn_down.weight", StringComparison.Ordinal) && !GgmlDecoder.CanDecode(tensor.Type)).Select(tensor => tensor.Name);
    }

    public ImmutableArray<double> OfChannels(int block) => _channels[block];

    /// <summary>Sums over the channel blocks of a FFN.</summary>
    public ImmutableArray<double> OfBlocks(int block, int channelBlock) => [.. _channels[block].Chunk(channelBlock).Select(chunk => chunk.Sum())];

    private static double[] SquaredColumnNorms(GgufShards model, string name)
    {
        var (file, tensor) = model.Find(name) ?? throw new UnsupportedModelException($"The model has no {name}: its FFNs have no channels of their own.");
        var sums = new double[tensor.Columns];
        if (!GgmlDecoder.CanDecode(tensor.Type))
        {
            Array.Fill(sums, 1);
            return sums;
        }

        var row = new float[tensor.Columns];
        for (long at = 0; at < tensor.Rows; at++)
        {
            GgmlDecoder.Decode(tensor.Type, file.Data(tensor, at * tensor.RowBytes, checked((int)tensor.RowBytes)), row);
            for (var column = 0; column < row.Length; column++) sums[column] += (double)row[column] * row[column];
        }

        return sums;
    }
}
