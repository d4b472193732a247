using System.Collections.Immutable;
using System.Numerics.Tensors;
using FinerCut.Gguf;
using FinerCut.Masks;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// A map of low rank: stream += Down · (Up · norm(stream)) + Bias. Written as an FFN whose gate is one (design §6). Immutable.
/// </summary>
/// <param name="Channels">Its rank.</param>
/// <param name="Up">Tensor data of ffn_up: [rank rows of width].</param>
/// <param name="Down">Tensor data of ffn_down: [width rows of rank].</param>
/// <param name="Bias">[width].</param>
public sealed record LowRankSite(
    Sublayer Sublayer, int Channels, ImmutableArray<float> Norm, ImmutableArray<byte> Up, ImmutableArray<byte> Down, ImmutableArray<float> Bias, double Left)
    : HealingSite(Sublayer, Norm, Left)
{
    public override int Rank => Channels;

    public GgmlType UpType => TypeFor(Width);

    public GgmlType DownType => TypeFor(Rank);

    /// <summary>Zeros of the gate: the smallest type whose blocks rows can be.</summary>
    public GgmlType GateType => GateFor(Width);

    public override long Bytes => BytesOf(Width, Rank);

    public override string Form => $"rank {Rank}";

    /// <summary>What a site of that rank adds to a file.</summary>
    public static long BytesOf(int width, int rank) =>
        GgmlTypes.ByteCount(TypeFor(width), [width, rank]) + GgmlTypes.ByteCount(TypeFor(rank), [rank, width]) + GgmlTypes.ByteCount(GateFor(width), [width, rank])
        + (sizeof(float) * ((2L * width) + rank));

    /// <param name="into">[width × rank]: from the normed stream to the channels.</param>
    /// <param name="from">[rank × width]: from the channels to the stream.</param>
    public static LowRankSite Of(Sublayer sublayer, ReadOnlySpan<float> norm, float[] into, float[] from, float[] bias, double left)
    {
        var (width, rank) = (norm.Length, from.Length / norm.Length);
        return new LowRankSite(
            sublayer, rank, [.. norm], Encoded(TypeFor(width), Transposed(into, width, rank)), Encoded(TypeFor(rank), Transposed(from, rank, width)), ImmutableArray.Create(bias), left);
    }

    internal override SiteMap Decode(int threads)
    {
        var (into, from) = (Transposed(Decoded(UpType, Up, Width * Rank), Rank, Width), Transposed(Decoded(DownType, Down, Width * Rank), Width, Rank));
        return (normed, stream) =>
        {
            var channels = new float[stream.Length / Width * Rank];
            Products.AddProduct(normed, Width, into, Rank, channels, threads);
            Products.AddProduct(channels, Rank, from, Width, stream, threads);
            for (var start = 0; start < stream.Length; start += Width)
            {
                var row = stream.AsSpan(start, Width);
                TensorPrimitives.Add(row, Bias.AsSpan(), row);
            }
        };
    }

    private static GgmlType GateFor(int columns) =>
        columns % GgmlTypes.Of(GgmlType.Q2_K).BlockSize == 0 ? GgmlType.Q2_K : columns % GgmlTypes.Of(GgmlType.Q4_0).BlockSize == 0 ? GgmlType.Q4_0 : GgmlType.F16;
}
