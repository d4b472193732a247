using System.Collections.Immutable;
using System.Runtime.InteropServices;
using FinerCut.Gguf;
using FinerCut.Masks;

namespace FinerCut.Pruning.Healing;

/// <summary>Adds a site's map of some tokens' normed stream to their stream, both [tokens × width].</summary>
internal delegate void SiteMap(float[] normed, float[] stream);

/// <summary>
/// A map of the normed stream that stands where a sublayer was. Its matrices are stored small: Q8_0 where rows are whole blocks of it, F16
/// otherwise. Immutable.
/// </summary>
/// <param name="Sublayer">In whose place.</param>
/// <param name="Norm">Norm weights of the sublayer that was there, [width].</param>
/// <param name="Left">Share of the error on sequences left out that it left, 0 to 1.</param>
public abstract record HealingSite(Sublayer Sublayer, ImmutableArray<float> Norm, double Left)
{
    public int Width => Norm.Length;

    /// <summary>Of the map, at most.</summary>
    public abstract int Rank { get; }

    /// <summary>What it adds to a file.</summary>
    public abstract long Bytes { get; }

    /// <summary>As the file and the report name it.</summary>
    public abstract string Form { get; }

    /// <summary>The map as the file holds it, its matrices decoded.</summary>
    internal abstract SiteMap Decode(int threads);

    private protected static GgmlType TypeFor(int columns) => columns % GgmlTypes.Of(GgmlType.Q8_0).BlockSize == 0 ? GgmlType.Q8_0 : GgmlType.F16;

    private protected static ImmutableArray<byte> Encoded(GgmlType type, float[] values) => ImmutableCollectionsMarshal.AsImmutableArray(GgmlEncoder.Encode(type, values));

    private protected static float[] Decoded(GgmlType type, ImmutableArray<byte> data, int count)
    {
        var values = new float[count];
        GgmlDecoder.Decode(type, data.AsSpan(), values);
        return values;
    }

    /// <summary>[height × width] to [width × height].</summary>
    private protected static float[] Transposed(float[] values, int height, int width)
    {
        var result = new float[values.Length];
        for (var row = 0; row < height; row++)
        {
            for (var column = 0; column < width; column++) result[(column * height) + row] = values[(row * width) + column];
        }

        return result;
    }
}
