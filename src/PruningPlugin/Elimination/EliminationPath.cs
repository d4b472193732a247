using System.Collections.Immutable;
using System.Numerics.Tensors;
using FinerCut.Pruning.Healing;

namespace FinerCut.Pruning.Elimination;

/// <summary>A step of an elimination: channels that go, and what the sublayer's output loses by it once the others were fitted anew.</summary>
/// <param name="Channels">Ascending.</param>
/// <param name="Fitted">Squared error that this step adds, a token's mean, relative to the stream's energy.</param>
/// <param name="Plain">What it adds without any fit.</param>
internal sealed record EliminationStep(ImmutableArray<int> Channels, double Fitted, double Plain);

/// <summary>
/// In which order a projection's input channels go when after each step those left are fitted anew to what the projection gave before: the
/// optimal brain surgeon (Hassibi, Stork 1993) on groups of channels, with moments of the inputs as Hessian, as ZipLM (arXiv 2302.04089) does it. Pure.
/// </summary>
internal static class EliminationPath
{
    /// <summary>Ridge on the fits, as a share of the mean second moment: few tokens do not make channels look replaceable.</summary>
    public const double Penalty = 0.1;

    /// <summary>Rows of the moments that are multiplied together where a whole projection goes.</summary>
    private const int TileRows = 256;

    /// <summary>Of the moments about the mean, ridge included: made once for all that is reckoned of a projection.</summary>
    public static Cholesky Factor(InputMoments moments, int threads)
    {
        var (hessian, trace) = Centred(moments);
        return Cholesky.Of(hessian, moments.Channels, Math.Max(Penalty * trace / moments.Channels, double.Epsilon), threads) ?? throw new InvalidOperationException("The inputs' moments are not positive definite.");
    }

    /// <summary>Any channels, <paramref name="step"/> a step: those whose loss costs least, as the last step left it.</summary>
    /// <param name="moments">Of the inputs.</param>
    /// <param name="factor">Their <see cref="Factor"/>.</param>
    /// <param name="weights">The projection, [channels × rows]: each channel's weights together.</param>
    public static ImmutableArray<EliminationStep> OfChannels(InputMoments moments, Cholesky factor, float[] weights, int step, int threads) => Of(moments, factor, weights, null, step, threads);

    /// <summary>Groups of channels that can only go together, such as those of a KV head.</summary>
    public static ImmutableArray<EliminationStep> OfGroups(InputMoments moments, float[] weights, ImmutableArray<ImmutableArray<int>> groups, int threads) => Of(moments, Factor(moments, threads), weights, groups, 0, threads);

    /// <summary>
    /// All channels at once: nothing is left that could be fitted, a bias takes up the mean. The ridge counts as it does in the steps of the other paths, whose sum this is. Needs no inverse
    /// and no matrix beside the moments.
    /// </summary>
    public static EliminationStep OfWhole(InputMoments moments, float[] weights, int threads)
    {
        var (size, rows) = (moments.Channels, weights.Length / moments.Channels);
        var (mean, energy, trace) = (new double[rows], 0.0, 0.0);
        for (var start = 0; start < size; start += TileRows)
        {
            var count = Math.Min(TileRows, size - start);
            var (tile, product) = (new float[count * size], new float[count * rows]);
            for (var row = 0; row < count; row++)
            {
                var channel = start + row;
                for (var other = 0; other < size; other++) tile[(row * size) + other] = (float)moments.Squares[((long)Math.Max(channel, other) * size) + Math.Min(channel, other)];
                for (var at = 0; at < rows; at++) mean[at] += moments.Sums[channel] * weights[(channel * rows) + at];
                trace += moments.Squares[((long)channel * size) + channel] - (moments.Sums[channel] * moments.Sums[channel] / moments.Weight);
            }

            Products.AddProduct(tile, size, weights, rows, product, threads);
            for (var row = 0; row < count; row++) energy += TensorPrimitives.Dot<float>(product.AsSpan(row * rows, rows), weights.AsSpan((start + row) * rows, rows));
        }

        var ridge = Math.Max(Penalty * trace / size, 0) * TensorPrimitives.SumOfSquares<float>(weights);
        var fitted = Math.Max(energy - (TensorPrimitives.SumOfSquares<double>(mean) / moments.Weight), 0) + ridge;
        return new EliminationStep([.. Enumerable.Range(0, size)], fitted / moments.Weight, energy / moments.Weight);
    }

    /// <summary>
    /// What rounding the projection to new grids costs, each column's rounding made up for by those that are still to be rounded (<see cref="GridRounding"/>), its errors spread evenly
    /// over a step: Σ L²·step²/12 over the moments' factor L. A token's mean, as the steps' errors are.
    /// </summary>
    /// <param name="gridSteps">Distances of neighbouring values, [channels × rows].</param>
    public static double OfRounding(InputMoments moments, Cholesky factor, float[] gridSteps)
    {
        var (size, rows) = (moments.Channels, gridSteps.Length / moments.Channels);
        var sum = 0.0;
        for (var channel = 0; channel < size; channel++)
        {
            var pivot = factor.Row(channel)[channel];
            sum += pivot * pivot * TensorPrimitives.SumOfSquares<float>(gridSteps.AsSpan(channel * rows, rows)) / 12;
        }

        return sum / moments.Weight;
    }

    private static ImmutableArray<EliminationStep> Of(InputMoments moments, Cholesky factor, float[] weights, ImmutableArray<ImmutableArray<int>>? groups, int step, int threads)
    {
        var (size, rows) = (moments.Channels, weights.Length / moments.Channels);
        var identity = new float[size * size];
        for (var at = 0; at < size; at++) identity[(at * size) + at] = 1;
        var inverse = factor.SolveSingle(identity, size, threads);
        var left = weights.ToArray();
        var active = Enumerable.Range(0, size).ToHashSet();
        var open = groups?.ToList();
        var steps = ImmutableArray.CreateBuilder<EliminationStep>();
        while (active.Count > 0)
        {
            int[] gone;
            if (open is null) gone = [.. active.OrderBy(channel => Score(inverse, left, size, rows, channel)).ThenBy(channel => channel).Take(step).Order()];
            else
            {
                var best = open.MinBy(group => Cost(inverse, left, size, rows, [.. group]).Error);
                open.Remove(best);
                gone = [.. best];
            }

            var (error, factors, pivot) = Cost(inverse, left, size, rows, gone);
            steps.Add(new EliminationStep([.. gone], error / moments.Weight, PlainEnergy(moments.Squares, weights, size, rows, gone) / moments.Weight));
            active.ExceptWith(gone);
            Downdate(inverse, left, size, rows, gone, factors, pivot, threads);
        }

        return steps.ToImmutable();
    }

    /// <summary>The moments about the mean: what is the same for every token is made up for by a bias.</summary>
    private static (double[] Hessian, double Trace) Centred(InputMoments moments)
    {
        var size = moments.Channels;
        var hessian = moments.Squares.ToArray();
        var trace = 0.0;
        for (var row = 0; row < size; row++)
        {
            TensorPrimitives.MultiplyAdd(moments.Sums.AsSpan(0, row + 1), -moments.Sums[row] / moments.Weight, hessian.AsSpan(row * size, row + 1), hessian.AsSpan(row * size, row + 1));
            trace += hessian[(row * size) + row];
        }

        return (hessian, trace);
    }

    private static double Score(float[] inverse, float[] weights, int size, int rows, int channel) =>
        TensorPrimitives.SumOfSquares<float>(weights.AsSpan(channel * rows, rows)) / Math.Max(inverse[(channel * size) + channel], 1e-30f);

    /// <summary>tr(Wᵀ·B⁻¹·W) with B the channels' part of the inverse, B⁻¹·W, and B factored.</summary>
    private static (double Error, double[] Factors, Cholesky Pivot) Cost(float[] inverse, float[] weights, int size, int rows, int[] gone)
    {
        var part = new double[gone.Length * gone.Length];
        var right = new double[gone.Length * rows];
        for (var a = 0; a < gone.Length; a++)
        {
            for (var b = 0; b <= a; b++) part[(a * gone.Length) + b] = inverse[(gone[a] * size) + gone[b]];
            for (var row = 0; row < rows; row++) right[(a * rows) + row] = weights[(gone[a] * rows) + row];
        }

        var trace = Enumerable.Range(0, gone.Length).Sum(at => part[(at * gone.Length) + at]);
        var factor = Cholesky.Of(part, gone.Length, 1e-7 * trace / gone.Length, 1) ?? throw new InvalidOperationException("An elimination lost its definiteness.");
        var solved = factor.Solve(right, rows, 1);
        return (TensorPrimitives.Dot<double>(solved, right), solved, factor);
    }

    private static void Downdate(float[] inverse, float[] weights, int size, int rows, int[] gone, double[] factors, Cholesky pivot, int threads)
    {
        // weights −= inverse[:, gone] · B⁻¹ · W_gone
        var columns = new float[size * gone.Length];
        for (var at = 0; at < size; at++)
        {
            for (var g = 0; g < gone.Length; g++) columns[(at * gone.Length) + g] = -inverse[(gone[g] * size) + at];
        }

        Products.AddProduct(columns, gone.Length, [.. factors.Select(value => (float)value)], rows, weights, threads);

        // inverse −= inverse[:, gone] · B⁻¹ · inverse[gone, :]
        var right = new double[gone.Length * size];
        for (var a = 0; a < gone.Length; a++)
        {
            for (var at = 0; at < size; at++) right[(a * size) + at] = inverse[(gone[a] * size) + at];
        }

        var solved = pivot.Solve(right, size, 1);
        Products.AddProduct(columns, gone.Length, [.. solved.Select(value => (float)value)], size, inverse, threads);
        foreach (var channel in gone)
        {
            weights.AsSpan(channel * rows, rows).Clear();
            inverse.AsSpan(channel * size, size).Clear();
            for (var at = 0; at < size; at++) inverse[(at * size) + channel] = 0;
        }
    }

    private static double PlainEnergy(double[] squares, float[] weights, int size, int rows, int[] gone)
    {
        double sum = 0;
        foreach (var a in gone)
        {
            foreach (var b in gone)
            {
                if (b > a) continue;
                sum += (a == b ? 1 : 2) * squares[(a * size) + b] * TensorPrimitives.Dot<float>(weights.AsSpan(a * rows, rows), weights.AsSpan(b * rows, rows));
            }
        }

        return sum;
    }
}
