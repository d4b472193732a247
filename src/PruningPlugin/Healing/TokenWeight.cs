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
}
