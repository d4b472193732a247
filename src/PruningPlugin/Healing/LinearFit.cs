using System.Numerics.Tensors;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// Weighted ridge regression of [tokens × outputs] on [tokens × inputs] with an intercept that is not penalised, reduced to the directions of the output
/// that it explains. Tokens are either fitted on or held back: these choose the penalty, and how much of each direction is believed. Second
/// moments are summed batch by batch. Single owner.
/// </summary>
internal sealed class LinearFit(int inputs, int outputs, int threads)
{
    private readonly SecondMoments _moments = new(inputs, outputs);
    private readonly List<(float[] X, float[] Y, float[] Weights)> _check = [];

    /// <summary>Adds tokens.</summary>
    /// <param name="x">[tokens × inputs].</param>
    /// <param name="y">[tokens × outputs].</param>
    /// <param name="weights">One a token, 0 where it does not count.</param>
    /// <param name="check">Whether they are held back instead of being fitted on.</param>
    public void Add(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> weights, bool check)
    {
        var used = new List<int>();
        for (var token = 0; token < weights.Length; token++)
        {
            if (weights[token] != 0) used.Add(token);
        }

        if (used.Count == 0) return;
        var (xs, ys, ws) = (Rows(x, inputs, used), Rows(y, outputs, used), Rows(weights, 1, used));
        if (check) _check.Add((xs, ys, ws));
        else _moments.Add(xs, ys, ws, threads);
    }

    /// <summary>
    /// The map from all tokens, with the penalty and the shares of its directions that explained most of the held-back tokens when it was fitted
    /// on the others.
    /// </summary>
    /// <param name="penalties">To choose from, as shares of the mean second moment.</param>
    /// <param name="directions">Directions of the output at most.</param>
    /// <returns>Null where there are too few tokens, or the moments are no numbers.</returns>
    public LinearMap? Fit(IReadOnlyList<double> penalties, int directions)
    {
        if (_check.Count == 0) return null;
        LinearMap? best = null;
        foreach (var penalty in penalties)
        {
            if (_moments.Solve(penalty, directions, threads) is not { } map) continue;
            var believed = Believed(map);
            if (best is null || believed.Left < best.Left) best = believed;
        }

        if (best is null) return null;
        foreach (var (x, y, weights) in _check) _moments.Add(x, y, weights, threads);
        return _moments.Solve(best.Penalty, best.Shares.Length, threads) is not { } all ? null
            : all with { Shares = best.Shares[..all.Shares.Length], Gains = best.Gains[..all.Shares.Length], LeftByConstant = best.LeftByConstant };
    }

    /// <summary>Share of the held-back tokens' squares that a map leaves, such as the fitted one once it is rounded.</summary>
    /// <param name="matrix">[inputs × outputs].</param>
    public double LeftBy(float[] matrix, float[] intercept)
    {
        double left = 0, total = 0;
        foreach (var (x, y, weights) in _check)
        {
            var predicted = new float[y.Length];
            if (inputs > 0) Products.AddProduct(x, inputs, matrix, outputs, predicted, threads);
            for (var token = 0; token < weights.Length; token++)
            {
                var row = predicted.AsSpan(token * outputs, outputs);
                var wanted = y.AsSpan(token * outputs, outputs);
                TensorPrimitives.Add(row, intercept, row);
                double distance = TensorPrimitives.Distance<float>(row, wanted);
                left += weights[token] * distance * distance;
                total += weights[token] * (double)TensorPrimitives.SumOfSquares<float>(wanted);
            }
        }

        return left / total;
    }

    /// <summary>The map with each direction shrunk to what held-back tokens confirm.</summary>
    private LinearMap Believed(LinearMap map)
    {
        var count = map.Shares.Length;
        var (crossed, squared) = (new double[count], new double[count]);
        double constant = 0, total = 0;
        foreach (var (x, y, weights) in _check)
        {
            var tokens = weights.Length;
            var (left, right) = (x.ToArray(), y.ToArray());
            for (var token = 0; token < tokens; token++)
            {
                total += weights[token] * (double)TensorPrimitives.SumOfSquares<float>(y.AsSpan(token * outputs, outputs));
                TensorPrimitives.Subtract<float>(left.AsSpan(token * inputs, inputs), map.MeanX, left.AsSpan(token * inputs, inputs));
                TensorPrimitives.Subtract<float>(right.AsSpan(token * outputs, outputs), map.MeanY, right.AsSpan(token * outputs, outputs));
                constant += weights[token] * (double)TensorPrimitives.SumOfSquares<float>(right.AsSpan(token * outputs, outputs));
            }

            if (count == 0) continue;
            var (predicted, wanted) = (new float[tokens * count], new float[tokens * count]);
            Products.AddProduct(left, inputs, map.In, count, predicted, threads);
            Products.AddProduct(right, outputs, map.OutTransposed(), count, wanted, threads);
            for (var token = 0; token < tokens; token++)
            {
                for (var at = 0; at < count; at++)
                {
                    double p = predicted[(token * count) + at];
                    crossed[at] += weights[token] * p * wanted[(token * count) + at];
                    squared[at] += weights[token] * p * p;
                }
            }
        }

        var (shares, gains) = (new double[count], new double[count]);
        for (var at = 0; at < count; at++)
        {
            shares[at] = squared[at] > 0 ? Math.Clamp(crossed[at] / squared[at], 0, 1) : 0;
            gains[at] = total > 0 ? ((2 * shares[at] * crossed[at]) - (shares[at] * shares[at] * squared[at])) / total : 0;
        }

        return map with { Shares = shares, Gains = gains, LeftByConstant = total > 0 ? constant / total : 1 };
    }

    private static float[] Rows(ReadOnlySpan<float> values, int width, List<int> rows)
    {
        if (rows.Count * width == values.Length) return values.ToArray();
        var kept = new float[rows.Count * width];
        for (var at = 0; at < rows.Count; at++) values.Slice(rows[at] * width, width).CopyTo(kept.AsSpan(at * width));
        return kept;
    }
}
