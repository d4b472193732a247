using System.Numerics.Tensors;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// A fitted map as a sum over orthonormal directions of the output: y ≈ MeanY + Σ Shares[k] · ((x − MeanX) · In[:, k]) · Out[k]. Immutable.
/// </summary>
/// <param name="In">[inputs × directions].</param>
/// <param name="Out">[directions × outputs], by falling explained variance.</param>
/// <param name="Factor">Of the penalised second moments of x that it was fitted with.</param>
internal sealed record LinearMap(float[] In, float[] Out, float[] MeanX, float[] MeanY, Cholesky Factor, double Penalty)
{
    /// <summary>How much of each direction is believed, 0 to 1.</summary>
    public required double[] Shares { get; init; }

    /// <summary>Share of the held-back tokens' squares that each direction takes away.</summary>
    public double[] Gains { get; init; } = [];

    /// <summary>Share of the held-back tokens' squares that the constant alone leaves.</summary>
    public double LeftByConstant { get; init; } = 1;

    /// <summary>Share that the whole map leaves.</summary>
    public double Left => LeftByConstant - Gains.Sum();

    /// <summary>[outputs × directions].</summary>
    public float[] OutTransposed()
    {
        var (directions, outputs) = (Shares.Length, MeanY.Length);
        var transposed = new float[Out.Length];
        for (var direction = 0; direction < directions; direction++)
        {
            for (var output = 0; output < outputs; output++) transposed[(output * directions) + direction] = Out[(direction * outputs) + output];
        }

        return transposed;
    }

    /// <summary>[inputs × directions] with the shares in it, of the first <paramref name="directions"/>.</summary>
    public float[] InShared(int directions)
    {
        var inputs = MeanX.Length;
        var shared = new float[inputs * directions];
        for (var input = 0; input < inputs; input++)
        {
            for (var direction = 0; direction < directions; direction++) shared[(input * directions) + direction] = In[(input * Shares.Length) + direction] * (float)Shares[direction];
        }

        return shared;
    }

    /// <summary>The whole map as one matrix [inputs × outputs].</summary>
    public float[] Matrix(int threads)
    {
        var matrix = new float[MeanX.Length * MeanY.Length];
        if (Shares.Length > 0) Products.AddProduct(InShared(Shares.Length), Shares.Length, Out, MeanY.Length, matrix, threads);
        return matrix;
    }

    /// <summary>What is added to x · <paramref name="matrix"/>.</summary>
    public float[] Intercept(ReadOnlySpan<float> matrix)
    {
        var intercept = MeanY.ToArray();
        for (var input = 0; input < MeanX.Length; input++)
        {
            TensorPrimitives.MultiplyAdd(matrix.Slice(input * MeanY.Length, MeanY.Length), -MeanX[input], intercept, intercept);
        }

        return intercept;
    }
}

/// <summary>Weighted sums over tokens, in double precision.</summary>
internal sealed class SecondMoments(int inputs, int outputs)
{
    private readonly double[] _xx = new double[inputs * inputs];
    private readonly double[] _xy = new double[inputs * outputs];
    private readonly double[] _x = new double[inputs];
    private readonly double[] _y = new double[outputs];
    private double _weight;

    public void Add(float[] x, float[] y, float[] weights, int threads)
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

    /// <summary>The ridge map in the leading eigenvectors of what it explains, XYᵀ · (XX + penalty)⁻¹ · XY (design §7).</summary>
    public LinearMap? Solve(double penalty, int directions, int threads)
    {
        if (!(_weight > 0)) return null;
        var (xx, xy) = (_xx.ToArray(), _xy.ToArray());
        var trace = 0.0;
        for (var at = 0; at < inputs; at++)
        {
            var line = xx.AsSpan(at * inputs, at + 1);
            var cross = xy.AsSpan(at * outputs, outputs);
            TensorPrimitives.MultiplyAdd(_x.AsSpan(0, at + 1), -_x[at] / _weight, line, line);
            TensorPrimitives.MultiplyAdd(_y, -_x[at] / _weight, cross, cross);
            trace += line[at];
        }

        var factor = Cholesky.Of(xx, inputs, inputs == 0 ? 0 : Math.Max(penalty * trace / inputs, double.Epsilon), threads);
        if (factor is null) return null;
        var (meanX, meanY) = (Single(_x, _weight), Single(_y, _weight));
        if (inputs == 0 || directions == 0) return new LinearMap([], [], meanX, meanY, factor, penalty) { Shares = [] };
        var map = factor.SolveSingle(Single(xy, 1), outputs, threads);
        if (directions >= outputs)
        {
            // Every direction is wanted: the outputs themselves are as good a basis as any.
            var identity = new float[outputs * outputs];
            for (var at = 0; at < outputs; at++) identity[(at * outputs) + at] = 1;
            return new LinearMap(map, identity, meanX, meanY, factor, penalty) { Shares = [.. Enumerable.Repeat(1.0, outputs)] };
        }

        var explained = new double[outputs * outputs];
        var ones = new float[inputs];
        Array.Fill(ones, 1f);
        Products.AddOuter(Single(xy, 1), outputs, map, outputs, ones, explained, lower: false, threads);
        for (var row = 0; row < outputs; row++)
        {
            for (var column = 0; column < row; column++)
            {
                explained[(row * outputs) + column] = explained[(column * outputs) + row] = 0.5 * (explained[(row * outputs) + column] + explained[(column * outputs) + row]);
            }
        }

        var vectors = LeadingVectors.Of(explained, outputs, Math.Min(directions, Math.Min(inputs, outputs)), threads);
        float[] rows = [.. vectors.SelectMany(vector => vector.Select(value => (float)value))];
        var result = new LinearMap([], rows, meanX, meanY, factor, penalty) { Shares = [.. Enumerable.Repeat(1.0, vectors.Length)] };
        var into = new float[inputs * vectors.Length];
        Products.AddProduct(map, outputs, result.OutTransposed(), vectors.Length, into, threads);
        return result with { In = into };
    }

    private static float[] Single(double[] values, double divisor) => [.. values.Select(value => (float)(value / divisor))];
}
