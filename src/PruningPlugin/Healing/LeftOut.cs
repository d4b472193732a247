using System.Numerics.Tensors;

namespace FinerCut.Pruning.Healing;

/// <summary>What a fitted map predicts of sequences that it was fitted on had each been left out. Pure.</summary>
internal sealed class LeftOut(LinearMap map, Cholesky factor, int threads)
{
    /// <summary>Added to 1 − H: what a sequence alone determines cannot be predicted without it.</summary>
    private const double Ridge = 1e-6;

    /// <param name="x">[tokens × inputs], sequence by sequence.</param>
    /// <param name="wanted">[tokens × directions], less the mean.</param>
    /// <param name="weights">One a token, above 0.</param>
    /// <param name="lengths">Tokens of each sequence.</param>
    /// <returns>[tokens × directions], less the mean.</returns>
    public float[] Predict(ReadOnlySpan<float> x, float[] wanted, float[] weights, int[] lengths)
    {
        var (inputs, directions, tokens) = (map.MeanX.Length, map.Directions, weights.Length);
        var centred = x.ToArray();
        var transposed = new float[inputs * tokens];
        for (var token = 0; token < tokens; token++)
        {
            var row = centred.AsSpan(token * inputs, inputs);
            TensorPrimitives.Subtract(row, map.MeanX, row);
            var root = MathF.Sqrt(weights[token]);
            for (var at = 0; at < inputs; at++) transposed[(at * tokens) + token] = root * row[at];
        }

        var predicted = new float[wanted.Length];
        Products.AddProduct(centred, inputs, map.In, directions, predicted, threads);
        var half = factor.SolveLowerSingle(transposed, tokens, threads);
        var start = 0;
        foreach (var length in lengths)
        {
            Leave(half, tokens, start, weights.AsSpan(start, length), wanted.AsSpan(start * directions, length * directions), predicted.AsSpan(start * directions, length * directions));
            start += length;
        }

        return predicted;
    }

    /// <summary>Takes one sequence's own part out of its prediction.</summary>
    /// <param name="half">L⁻¹·X, [inputs × tokens].</param>
    private void Leave(float[] half, int tokens, int start, ReadOnlySpan<float> weights, ReadOnlySpan<float> wanted, Span<float> predicted)
    {
        var (inputs, directions, length) = (map.MeanX.Length, map.Directions, weights.Length);
        var own = new float[inputs * length];
        for (var at = 0; at < inputs; at++) half.AsSpan((at * tokens) + start, length).CopyTo(own.AsSpan(at * length));
        var ones = new float[inputs];
        Array.Fill(ones, 1f);
        var rest = new double[length * length];
        Products.AddOuter(own, length, own, length, ones, rest, lower: true, threads);
        TensorPrimitives.Negate(rest, rest);
        for (var token = 0; token < length; token++) rest[(token * length) + token] += 1;
        if (Cholesky.Over(rest, length, Ridge, threads) is not { } without)
        {
            predicted.Clear();
            return;
        }

        var errors = new float[predicted.Length];
        TensorPrimitives.Subtract(wanted, predicted, errors);
        Scale(errors, weights, directions, 0.5f);
        errors = without.SolveSingle(errors, directions, threads);
        Scale(errors, weights, directions, -0.5f);
        TensorPrimitives.Subtract(wanted, errors, predicted);
    }

    private static void Scale(float[] rows, ReadOnlySpan<float> weights, int width, float power)
    {
        for (var token = 0; token < weights.Length; token++)
        {
            var row = rows.AsSpan(token * width, width);
            TensorPrimitives.Multiply(row, MathF.Pow(weights[token], power), row);
        }
    }
}
