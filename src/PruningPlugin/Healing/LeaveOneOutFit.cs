using System.Numerics.Tensors;
using FinerCut.Pruning.Scoring;

namespace FinerCut.Pruning.Healing;

/// <summary>A batch's [tokens × inputs].</summary>
internal delegate ReadOnlySpan<float> BatchInputs(int batch);

/// <summary>What a fit is made of, batch by batch.</summary>
/// <param name="Inputs">Of a token.</param>
/// <param name="Outputs">Of a part of a token's output.</param>
/// <param name="Parts">Of the output, which is their sum: each is fitted by itself.</param>
/// <param name="X">A batch's [tokens × inputs].</param>
/// <param name="Y">A batch's [tokens × parts · outputs].</param>
/// <param name="Weights">A batch's, one a token.</param>
internal sealed record FitData(TokenBatches Batches, int Inputs, int Outputs, int Parts, BatchInputs X, Func<int, float[]> Y, Func<int, float[]> Weights);

/// <summary>
/// Weighted ridge regression with an intercept that is not penalised, along some directions of the output, each of which is believed as much as the sequences confirm that the fit has not seen. What it
/// predicts of each sequence had it been fitted without it follows in closed form from the sequence's block of the hat matrix, y − (1 − H)⁻¹·e (Cook and Weisberg 1982, for blocks of rows), so that
/// every token is both fitted on and judged by. Immutable.
/// </summary>
/// <param name="Map">From all tokens.</param>
/// <param name="Factor">Of the penalised second moments that it was fitted with.</param>
/// <param name="Shares">How much of each direction is believed, 0 to 1.</param>
/// <param name="Gains">Share of the squares that each direction takes away of sequences that it has not seen; no more than their sum is defined where there are parts.</param>
/// <param name="LeftByConstant">Share that the mean alone leaves.</param>
/// <param name="Penalty">Of the ridge, as a share of the mean second moment.</param>
internal sealed record LeaveOneOutFit(LinearMap Map, Cholesky Factor, double[] Shares, double[] Gains, double LeftByConstant, double Penalty)
{
    /// <summary>Share of the squares that is left of sequences that it has not seen.</summary>
    public double Left => LeftByConstant - Gains.Sum();

    /// <param name="directions">At most; more than outputs make every output a direction of its own. Parts want that, or none.</param>
    /// <returns>Null where there are fewer than two sequences, or the moments are no numbers.</returns>
    public static LeaveOneOutFit? Of(FitData data, double penalty, int directions, int threads)
    {
        var batches = data.Batches.Batches;
        if (batches.Sum(batch => batch.Sequences.Length) < 2) return null;
        var moments = new SecondMoments(data.Inputs, data.Parts * data.Outputs);
        for (var batch = 0; batch < batches.Length; batch++) moments.Add(data.X(batch), data.Y(batch), data.Weights(batch), threads);
        if (moments.Solve(penalty, directions, threads) is not var (map, factor)) return null;
        var believed = new Believed(map.Directions, data.Parts);
        double constant = 0, total = 0;
        for (var batch = 0; batch < batches.Length; batch++)
        {
            var (y, weights) = (data.Y(batch), data.Weights(batch));
            total += Squares(StreamErrors.Joined(y, data.Outputs, data.Parts), weights);
            for (var token = 0; token < weights.Length; token++)
            {
                var row = y.AsSpan(token * map.MeanY.Length, map.MeanY.Length);
                TensorPrimitives.Subtract(row, map.MeanY, row);
            }

            constant += Squares(StreamErrors.Joined(y, data.Outputs, data.Parts), weights);
            if (map.Directions == 0) continue;
            var wanted = map.Out is null ? y : new float[weights.Length * map.Directions];
            if (map.Out is not null) Products.AddProduct(y, map.MeanY.Length, map.OutTransposed(), map.Directions, wanted, threads);
            believed.Add(new LeftOut(map, factor, threads).Predict(data.X(batch), wanted, weights, [.. batches[batch].Sequences.Select(each => each.Sequence.Tokens.Length)]), wanted, weights);
        }

        var (shares, gains) = believed.Shares();
        for (var at = 0; at < gains.Length; at++) gains[at] = total > 0 ? gains[at] / total : 0;
        return new LeaveOneOutFit(map, factor, shares, gains, total > 0 ? constant / total : 1, penalty);
    }

    private static double Squares(float[] rows, float[] weights)
    {
        var sum = 0.0;
        var width = rows.Length / Math.Max(1, weights.Length);
        for (var token = 0; token < weights.Length; token++) sum += weights[token] * (double)TensorPrimitives.SumOfSquares<float>(rows.AsSpan(token * width, width));
        return sum;
    }
}
