using System.Numerics.Tensors;

namespace FinerCut.Pruning.Healing;

/// <summary>Weighted sums over tokens of x·xᵀ, x·yᵀ, x and y, in double precision. Mutable while it is summed; one owner.</summary>
internal sealed class SecondMoments(int inputs, int outputs)
{
    private readonly double[] _xx = new double[(long)inputs * inputs];
    private readonly double[] _xy = new double[(long)inputs * outputs];
    private readonly double[] _x = new double[inputs];
    private readonly double[] _y = new double[outputs];
    private double _weight;

    /// <param name="x">[tokens × inputs].</param>
    /// <param name="y">[tokens × outputs].</param>
    /// <param name="weights">One a token.</param>
    public void Add(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> weights, int threads)
    {
        Products.AddOuter(x, inputs, x, inputs, weights, _xx, lower: true, threads);
        Products.AddOuter(x, inputs, y, outputs, weights, _xy, lower: false, threads);
        for (var token = 0; token < weights.Length; token++)
        {
            double weight = weights[token];
            for (var at = 0; at < inputs; at++) _x[at] += weight * x[(token * inputs) + at];
            for (var at = 0; at < outputs; at++) _y[at] += weight * y[(token * outputs) + at];
            _weight += weight;
        }
    }

    /// <summary>The ridge map (XX + penalty)⁻¹·XY of the centred moments (design §7), in the leading eigenvectors of what it explains. These moments are used up.</summary>
    /// <param name="penalty">As a share of the mean second moment.</param>
    /// <param name="directions">At most; more than outputs make every output a direction of its own.</param>
    /// <returns>Null where there are no tokens, or the moments are no numbers.</returns>
    public (LinearMap Map, Cholesky Factor)? Solve(double penalty, int directions, int threads)
    {
        if (!(_weight > 0)) return null;
        var trace = 0.0;
        for (var at = 0; at < inputs; at++)
        {
            var line = _xx.AsSpan(at * inputs, at + 1);
            var cross = _xy.AsSpan(at * outputs, outputs);
            TensorPrimitives.MultiplyAdd(_x.AsSpan(0, at + 1), -_x[at] / _weight, line, line);
            TensorPrimitives.MultiplyAdd(_y, -_x[at] / _weight, cross, cross);
            trace += line[at];
        }

        if (Cholesky.Over(_xx, inputs, inputs == 0 ? 0 : Math.Max(penalty * trace / inputs, double.Epsilon), threads) is not { } factor) return null;
        var (xy, meanX, meanY) = (Single(_xy, 1), Single(_x, _weight), Single(_y, _weight));
        if (inputs == 0 || directions == 0) return (new LinearMap([], null, meanX, meanY), factor);
        var map = new LinearMap(factor.SolveSingle(xy, outputs, threads), null, meanX, meanY);
        return (directions > outputs ? map : map.Along(Leading(xy, map.In, directions, threads), threads), factor);
    }

    /// <summary>The ridge map of the moments as they are, about the origin, and the leading eigenvectors of what it explains, [directions × outputs]. These moments are used up.</summary>
    /// <param name="penalty">As a share of the inputs' mean variance, as in <see cref="Solve"/>.</param>
    /// <returns>Every output a direction of its own, means zero; null where there are no tokens, or the moments are no numbers.</returns>
    public (LinearMap Map, float[] Leading, Cholesky Factor)? SolveThroughOrigin(double penalty, int directions, int threads)
    {
        if (!(_weight > 0)) return null;
        var trace = 0.0;
        for (var at = 0; at < inputs; at++) trace += _xx[(at * inputs) + at] - (_x[at] * _x[at] / _weight);
        if (Cholesky.Over(_xx, inputs, Math.Max(penalty * trace / inputs, double.Epsilon), threads) is not { } factor) return null;
        var xy = Single(_xy, 1);
        var map = new LinearMap(factor.SolveSingle(xy, outputs, threads), null, new float[inputs], new float[outputs]);
        return (map, Leading(xy, map.In, directions, threads), factor);
    }

    /// <summary>The leading eigenvectors of XYᵀ·map, [directions × outputs].</summary>
    private float[] Leading(float[] xy, float[] map, int directions, int threads)
    {
        var explained = new double[outputs * outputs];
        var ones = new float[inputs];
        Array.Fill(ones, 1f);
        Products.AddOuter(xy, outputs, map, outputs, ones, explained, lower: false, threads);
        for (var row = 0; row < outputs; row++)
        {
            for (var column = 0; column < row; column++)
            {
                explained[(row * outputs) + column] = explained[(column * outputs) + row] = 0.5 * (explained[(row * outputs) + column] + explained[(column * outputs) + row]);
            }
        }

        return [.. LeadingVectors.Of(explained, outputs, Math.Min(directions, Math.Min(inputs, outputs)), threads).SelectMany(vector => vector.Select(value => (float)value))];
    }

    private static float[] Single(double[] values, double divisor) => [.. values.Select(value => (float)(value / divisor))];
}
