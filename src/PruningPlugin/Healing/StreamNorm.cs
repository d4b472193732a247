using System.Numerics.Tensors;
using FinerCut.Gguf;

namespace FinerCut.Pruning.Healing;

/// <summary>RMS norm of the residual stream, as llama.cpp's build_norm with LLM_NORM_RMS. Pure.</summary>
internal static class StreamNorm
{
    public static float EpsilonOf(GgufModel model) => model.Find($"{model.Architecture}.attention.layer_norm_rms_epsilon") is { } value ? (float)value.GetNumber() : 1e-5f;

    /// <param name="stream">[tokens × width].</param>
    /// <param name="weights">[width].</param>
    public static float[] Of(ReadOnlySpan<float> stream, ReadOnlySpan<float> weights, float epsilon)
    {
        var normed = new float[stream.Length];
        for (var start = 0; start < stream.Length; start += weights.Length)
        {
            var row = stream.Slice(start, weights.Length);
            var target = normed.AsSpan(start, weights.Length);
            TensorPrimitives.Multiply(row, 1 / MathF.Sqrt((TensorPrimitives.SumOfSquares(row) / weights.Length) + epsilon), target);
            TensorPrimitives.Multiply(target, weights, target);
        }

        return normed;
    }
}
