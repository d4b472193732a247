using System.Collections.Immutable;
using FinerCut.Gguf;
using FinerCut.Masks;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// A full linear map in an attention's place: stream += Weights · norm(stream). Written as an attention with heads but no KV heads, which deci computes so (src/models/deci.cpp of
/// llama.cpp v0.5.0): no KV memory, and no place for a bias. Immutable.
/// </summary>
/// <param name="Weights">Tensor data of attn_output: [width rows of width].</param>
public sealed record LinearSite(Sublayer Sublayer, ImmutableArray<float> Norm, ImmutableArray<byte> Weights, double Left) : HealingSite(Sublayer, Norm, Left)
{
    public override int Rank => Width;

    public GgmlType Type => TypeFor(Width);

    public override long Bytes => BytesOf(Width);

    public override string Form => "linear";

    /// <summary>What such a site adds to a file.</summary>
    public static long BytesOf(int width) => GgmlTypes.ByteCount(TypeFor(width), [width, width]) + (sizeof(float) * (long)width);

    /// <param name="matrix">[width × width]: from the normed stream to the stream.</param>
    public static LinearSite Of(Sublayer sublayer, ReadOnlySpan<float> norm, float[] matrix, double left) =>
        new(sublayer, [.. norm], Encoded(TypeFor(norm.Length), Transposed(matrix, norm.Length, norm.Length)), left);

    internal override SiteMap Decode(int threads)
    {
        var matrix = Transposed(Decoded(Type, Weights, Width * Width), Width, Width);
        return (normed, stream) => Products.AddProduct(normed, Width, matrix, Width, stream, threads);
    }
}
