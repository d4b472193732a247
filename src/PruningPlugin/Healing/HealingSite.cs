using System.Collections.Immutable;
using System.Runtime.InteropServices;
using FinerCut.Gguf;
using FinerCut.Masks;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// A map of low rank that stands where a sublayer was: stream += Down · (Up · norm(stream)) + Bias. Written as an FFN whose gate is one
/// (design §6). Its matrices are stored small: Q8_0 where rows are whole blocks of it, F16 otherwise. Immutable.
/// </summary>
/// <param name="Sublayer">In whose place.</param>
/// <param name="Rank">Channels.</param>
/// <param name="Norm">Norm weights of the sublayer that was there, [width].</param>
/// <param name="Up">Tensor data of ffn_up: [rank rows of width].</param>
/// <param name="Down">Tensor data of ffn_down: [width rows of rank].</param>
/// <param name="Bias">[width].</param>
/// <param name="Left">Share of the error on sequences left out that it left, 0 to 1.</param>
public sealed record HealingSite(
    Sublayer Sublayer, int Rank, ImmutableArray<float> Norm, ImmutableArray<byte> Up, ImmutableArray<byte> Down, ImmutableArray<float> Bias, double Left)
{
    public int Width => Norm.Length;

    public GgmlType UpType => TypeFor(Width);

    public GgmlType DownType => TypeFor(Rank);

    /// <summary>Zeros of the gate: the smallest type whose blocks rows can be.</summary>
    public GgmlType GateType => GateFor(Width);

    public long Bytes => BytesOf(Width, Rank);

    /// <summary>What a site of that rank adds to a file.</summary>
    public static long BytesOf(int width, int rank) =>
        GgmlTypes.ByteCount(TypeFor(width), [width, rank]) + GgmlTypes.ByteCount(TypeFor(rank), [rank, width]) + GgmlTypes.ByteCount(GateFor(width), [width, rank])
        + (sizeof(float) * ((2L * width) + rank));

    /// <param name="into">[width × rank]: from the normed stream to the channels.</param>
    /// <param name="from">[rank × width]: from the channels to the stream.</param>
    public static HealingSite Of(Sublayer sublayer, ReadOnlySpan<float> norm, float[] into, float[] from, float[] bias, double left)
    {
        var (width, rank) = (norm.Length, from.Length / norm.Length);
        return new HealingSite(
            sublayer, rank, [.. norm], Encoded(TypeFor(width), Transposed(into, width, rank)), Encoded(TypeFor(rank), Transposed(from, rank, width)), ImmutableArray.Create(bias), left);
    }

    /// <summary>[width × rank], as the file holds it.</summary>
    public float[] Into() => Transposed(Decoded(UpType, Up, Width * Rank), Rank, Width);

    /// <summary>[rank × width], as the file holds it.</summary>
    public float[] From() => Transposed(Decoded(DownType, Down, Width * Rank), Width, Rank);

    private static GgmlType TypeFor(int columns) => columns % GgmlTypes.Of(GgmlType.Q8_0).BlockSize == 0 ? GgmlType.Q8_0 : GgmlType.F16;

    private static GgmlType GateFor(int columns) =>
        columns % GgmlTypes.Of(GgmlType.Q2_K).BlockSize == 0 ? GgmlType.Q2_K : columns % GgmlTypes.Of(GgmlType.Q4_0).BlockSize == 0 ? GgmlType.Q4_0 : GgmlType.F16;

    private static ImmutableArray<byte> Encoded(GgmlType type, float[] values) => ImmutableCollectionsMarshal.AsImmutableArray(GgmlEncoder.Encode(type, values));

    private static float[] Decoded(GgmlType type, ImmutableArray<byte> data, int count)
    {
        var values = new float[count];
        GgmlDecoder.Decode(type, data.AsSpan(), values);
        return values;
    }

    /// <summary>[height × width] to [width × height].</summary>
    private static float[] Transposed(float[] values, int height, int width)
    {
        var result = new float[values.Length];
        for (var row = 0; row < height; row++)
        {
            for (var column = 0; column < width; column++) result[(column * height) + row] = values[(row * width) + column];
        }

        return result;
    }
}
