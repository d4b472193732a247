using System.Collections.Immutable;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Scoring;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// The output projection of a sublayer as a mask leaves it: the kept columns of attn_output or ffn_down, transposed (each channel's weights together),
/// with what their blocks can hold. Immutable.
/// </summary>
internal sealed class ProjectionWeights
{
    private readonly GgufTensorInfo _tensor;
    private readonly byte[]? _kept;
    private readonly float[] _weights;
    private readonly ImmutableArray<int> _gone;

    /// <summary>[channels gone × rows].</summary>
    private readonly float[] _lost;

    /// <param name="data">The tensor's.</param>
    /// <param name="kept">The kept columns' blocks; null where columns were cut through blocks.</param>
    /// <param name="weights">The kept columns, [rows × channels kept].</param>
    private ProjectionWeights(Sublayer sublayer, GgufTensorInfo tensor, ReadOnlySpan<byte> data, ImmutableArray<int> channels, byte[]? kept, float[] weights)
    {
        Sublayer = sublayer;
        Channels = channels;
        _tensor = tensor;
        _gone = [.. Enumerable.Range(0, (int)tensor.Columns).Except(channels)];
        _lost = Transposed(Gathered(tensor, data, _gone), _gone.Length, Rows);
        _kept = kept;
        _weights = Transposed(weights, channels.Length, Rows);
    }

    public Sublayer Sublayer { get; }

    /// <summary>Channels kept, ascending.</summary>
    public ImmutableArray<int> Channels { get; }

    /// <summary>[channels kept × rows].</summary>
    public ReadOnlySpan<float> Weights => _weights;

    public int Rows => (int)_tensor.Shape[1];

    public GgmlType Type => _tensor.Type;

    /// <summary>Whether columns are gone from within blocks: what is left has to be quantised anew.</summary>
    public bool NeedsGrid => _kept is null;

    /// <summary>Null where the projection is of a form or type that cannot be changed.</summary>
    public static ProjectionWeights? Of(GgufShards source, CutMask mask, Sublayer sublayer)
    {
        var name = $"blk.{sublayer.Block}.{HealedProjection.TensorOf(sublayer.Kind)}.weight";
        if (mask.IsGone(sublayer) || source.Find(name) is not var (file, tensor) || tensor.Shape.Length != 2) return null;
        if (tensor.Type is not (GgmlType.F32 or GgmlType.F16) && !GgmlGrid.Covers(tensor.Type)) return null;
        var gone = ChannelRanges.Of(mask, sublayer);
        ImmutableArray<int> channels = [.. Enumerable.Range(0, (int)tensor.Columns).Where(channel => !gone.Any(range => channel >= range.Start && channel < range.End))];
        var info = GgmlTypes.Of(tensor.Type);
        var data = file.Data(tensor);
        if (gone.Any(range => range.Start % info.BlockSize != 0 || (range.End % info.BlockSize != 0 && range.End != tensor.Columns)))
        {
            return channels.Length % info.BlockSize == 0 ? new ProjectionWeights(sublayer, tensor, data, channels, null, Gathered(tensor, data, channels)) : null;
        }

        var kept = new byte[tensor.Shape[1] * channels.Length / info.BlockSize * info.TypeSize];
        var rowBytes = kept.Length / (int)tensor.Shape[1];
        for (var row = 0; row < tensor.Shape[1]; row++)
        {
            for (var block = 0; block < channels.Length / info.BlockSize; block++)
            {
                var from = (int)((row * tensor.RowBytes) + (channels[block * info.BlockSize] / info.BlockSize * info.TypeSize));
                data.Slice(from, info.TypeSize).CopyTo(kept.AsSpan((row * rowBytes) + (block * info.TypeSize)));
            }
        }

        var weights = new float[channels.Length * (int)tensor.Shape[1]];
        GgmlDecoder.Decode(tensor.Type, kept, weights);
        return new ProjectionWeights(sublayer, tensor, data, channels, kept, weights);
    }

    /// <summary>The inputs of the kept channels, [tokens × channels kept].</summary>
    public ReadOnlySpan<float> Inputs(ReadOnlySpan<float> all) => _gone.Length == 0 ? all : InputsOf(all, Channels);

    /// <summary>Whether channels are gone.</summary>
    public bool HasLost => _gone.Length > 0;

    /// <summary>What the channels that are gone would have added, [tokens × rows].</summary>
    /// <param name="all">Of all channels, [tokens × channels].</param>
    public float[] Lost(ReadOnlySpan<float> all, int threads)
    {
        var lost = new float[all.Length / (int)_tensor.Columns * Rows];
        Products.AddProduct(InputsOf(all, _gone), _gone.Length, _lost, Rows, lost, threads);
        return lost;
    }

    private float[] InputsOf(ReadOnlySpan<float> all, ImmutableArray<int> channels)
    {
        var columns = (int)_tensor.Columns;
        var rows = all.Length / columns;
        var inputs = new float[rows * channels.Length];
        for (var row = 0; row < rows; row++)
        {
            for (var at = 0; at < channels.Length; at++) inputs[(row * channels.Length) + at] = all[(row * columns) + channels[at]];
        }

        return inputs;
    }

    /// <summary>The weights changed, in the tensor's own type and, where it is quantised, on its own grid.</summary>
    /// <param name="change">[channels kept × rows].</param>
    /// <param name="factor">Of the inputs' second moments: what rounding is judged by.</param>
    public ImmutableArray<byte> Changed(float[] change, Cholesky factor, int threads)
    {
        var wanted = new float[_weights.Length];
        TensorPrimitives.Add<float>(_weights, change, wanted);
        var columns = Channels.Length;
        if (!GgmlGrid.Covers(Type)) return ImmutableCollectionsMarshal.AsImmutableArray(GgmlEncoder.Encode(Type, Transposed(wanted, Rows, columns)));
        var (scales, offsets) = (new float[wanted.Length], new float[wanted.Length]);
        var data = _kept?.ToArray() ?? GgmlGridFit.Blocks(Type, Transposed(wanted, Rows, columns));
        GgmlGrid.Read(Type, data, scales, offsets);
        var quants = GridRounding.Round(factor, wanted, Rows, Transposed(scales, columns, Rows), Transposed(offsets, columns, Rows), Type, threads);
        GgmlGrid.Write(Type, Transposed(quants, Rows, columns), data);
        return ImmutableCollectionsMarshal.AsImmutableArray(data);
    }

    /// <summary>Steps of new grids for the weights as they are, [channels kept × rows].</summary>
    public float[] NewGridSteps()
    {
        var (scales, offsets) = (new float[_weights.Length], new float[_weights.Length]);
        GgmlGrid.Read(Type, GgmlGridFit.Blocks(Type, Transposed(_weights, Rows, Channels.Length)), scales, offsets);
        return Transposed(scales, Channels.Length, Rows);
    }

    /// <summary>New weights less old, [channels kept × rows]; null where they are the source's.</summary>
    public float[]? Difference(HealedProjection healed)
    {
        if (healed.Weights.Length == 0) return null;
        var weights = Transposed(Decoded(healed.Weights.AsSpan()), Channels.Length, Rows);
        TensorPrimitives.Subtract<float>(weights, _weights, weights);
        return weights;
    }

    private static float[] Gathered(GgufTensorInfo tensor, ReadOnlySpan<byte> data, ImmutableArray<int> channels)
    {
        var row = new float[tensor.Columns];
        var gathered = new float[tensor.Shape[1] * channels.Length];
        for (var at = 0; at < tensor.Shape[1]; at++)
        {
            GgmlDecoder.Decode(tensor.Type, data.Slice((int)(at * tensor.RowBytes), (int)tensor.RowBytes), row);
            for (var channel = 0; channel < channels.Length; channel++) gathered[(at * channels.Length) + channel] = row[channels[channel]];
        }

        return gathered;
    }

    private float[] Decoded(ReadOnlySpan<byte> data)
    {
        var values = new float[Channels.Length * Rows];
        GgmlDecoder.Decode(Type, data, values);
        return values;
    }

    /// <summary>[height × width] to [width × height].</summary>
    private static T[] Transposed<T>(T[] values, int width, int height)
    {
        var result = new T[values.Length];
        for (var row = 0; row < height; row++)
        {
            for (var column = 0; column < width; column++) result[(column * height) + row] = values[(row * width) + column];
        }

        return result;
    }
}
