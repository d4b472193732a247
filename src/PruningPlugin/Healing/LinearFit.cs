using System.Numerics.Tensors;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// Weighted ridge regression through the origin: a linear attention has no bias, and normed inputs have parts so constant that the map makes up for most of it. As with <see cref="LeaveOneOutFit"/>
/// every token is fitted on and judged by what the fit would say of its sequence without it; the leading directions of the output are believed each as much as that confirms, all others alike. Immutable.
/// </summary>
/// <param name="Matrix">[inputs × outputs], as much of it as is believed.</param>
/// <param name="Left">Share of the squares that is left of sequences that it has not seen.</param>
internal sealed record LinearFit(float[] Matrix, double Left)
{
    /// <param name="data">Of one part.</param>
    /// <param name="penalty">Of the ridge, as a share of the inputs' mean variance.</param>
    /// <param name="directions">At most, that are judged one by one.</param>
    /// <returns>Null where there are fewer than two sequences, the moments are no numbers, or nothing is explained.</returns>
    public static LinearFit? Of(FitData data, double penalty, int directions, int threads)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(data.Parts, 1);
        var batches = data.Batches.Batches;
        if (batches.Sum(batch => batch.Sequences.Length) < 2) return null;
        var moments = new SecondMoments(data.Inputs, data.Outputs);
        for (var batch = 0; batch < batches.Length; batch++) moments.Add(data.X(batch), data.Y(batch), data.Weights(batch), threads);
        if (moments.SolveThroughOrigin(penalty, directions, threads) is not var (map, leading, factor) || leading.Length == 0) return null;
        var along = map.Along(leading, threads);
        var outward = along.OutTransposed();
        var believed = new Believed(along.Directions, 1);
        double crossed = 0, squared = 0, total = 0;
        for (var batch = 0; batch < batches.Length; batch++)
        {
            var (y, weights) = (data.Y(batch), data.Weights(batch));
            var rest = new LeftOut(map, factor, threads).Predict(data.X(batch), y, weights, [.. batches[batch].Sequences.Select(each => each.Sequence.Tokens.Length)]);
            var (predicted, wanted) = (new float[weights.Length * along.Directions], new float[weights.Length * along.Directions]);
            Products.AddProduct(rest, data.Outputs, outward, along.Directions, predicted, threads);
            Products.AddProduct(y, data.Outputs, outward, along.Directions, wanted, threads);
            believed.Add(predicted, wanted, weights);
            TensorPrimitives.Negate(predicted, predicted);
            Products.AddProduct(predicted, along.Directions, leading, data.Outputs, rest, threads);
            for (var token = 0; token < weights.Length; token++)
            {
                var of = rest.AsSpan(token * data.Outputs, data.Outputs);
                var error = y.AsSpan(token * data.Outputs, data.Outputs);
                crossed += weights[token] * (double)TensorPrimitives.Dot<float>(of, error);
                squared += weights[token] * (double)TensorPrimitives.SumOfSquares<float>(of);
                total += weights[token] * (double)TensorPrimitives.SumOfSquares<float>(error);
            }
        }

        var (shares, gains) = believed.Shares();
        var others = squared > 0 ? Math.Clamp(crossed / squared, 0, 1) : 0;
        var gain = gains.Sum() + (2 * others * crossed) - (others * others * squared);
        var matrix = new float[map.In.Length];
        TensorPrimitives.Multiply(map.In, (float)others, matrix);
        Products.AddProduct(along.InShared([.. shares.Select(share => share - others)]), along.Directions, leading, data.Outputs, matrix, threads);
        return new LinearFit(matrix, total > 0 ? 1 - (gain / total) : 1);
    }
}
