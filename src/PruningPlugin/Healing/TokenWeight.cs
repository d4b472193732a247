using System.Numerics.Tensors;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// What a token counts in a fit: the inverse mean energy of the stream that a sublayer adds to, which is what the next norm makes of an error there. Else the first
/// token, whose stream is a hundred times the others', would rule. Pure.
/// </summary>
internal static class TokenWeight
{
    /// <param name="stream">Of one token, [embedding].</param>
    public static float Of(ReadOnlySpan<float> stream) => stream.Length / Math.Max(TensorPrimitives.SumOfSquares(stream), float.Epsilon * stream.Length);

    /// <param name="stream">[tokens × width].</param>
    /// <returns>One a token.</returns>
    public static float[] OfEach(ReadOnlySpan<float> stream, int width)
    {
        var weights = new float[stream.Length / width];
        for (var token = 0; token < weights.Length; token++) weights[token] = Of(stream.Slice(token * width, width));
        return weights;
    }
}
