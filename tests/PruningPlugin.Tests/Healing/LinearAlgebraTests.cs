using FinerCut.Gguf;
using FinerCut.Pruning.Healing;

namespace FinerCut.Pruning.Tests.Healing;

public class LinearAlgebraTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(37, 21, 300)]
    [InlineData(130, 65, 129)]
    public void Outer_products_are_weighted_sums_over_tokens(int left, int right, int tokens)
    {
        var random = new Random(left);
        var (x, y, w) = (Random(random, tokens * left), Random(random, tokens * right), Random(random, tokens));
        var sum = new double[left * right];
        Products.AddOuter(x, left, y, right, w, sum, lower: false, threads: 2);
        for (var i = 0; i < left; i++)
        {
            for (var j = 0; j < right; j++)
            {
                var expected = 0.0;
                for (var t = 0; t < tokens; t++) expected += (double)w[t] * x[(t * left) + i] * y[(t * right) + j];
                Assert.Equal(expected, sum[(i * right) + j], 1e-4);
            }
        }
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(33, 200, 45)]
    [InlineData(6, 128, 16)]
    public void Products_are_added_to_what_is_there(int rows, int inner, int width)
    {
        var random = new Random(rows);
        var (a, b, c) = (Random(random, rows * inner), Random(random, inner * width), Random(random, rows * width));
        var before = c.ToArray();
        Products.AddProduct(a, inner, b, width, c, threads: 2);
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < width; column++)
            {
                double expected = before[(row * width) + column];
                for (var k = 0; k < inner; k++) expected += (double)a[(row * inner) + k] * b[(k * width) + column];
                Assert.Equal(expected, c[(row * width) + column], 1e-4);
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(200)]
    public void Cholesky_solves_to_working_precision(int size)
    {
        var matrix = Positive(size, size);
        var random = new Random(2);
        double[] wanted = [.. Enumerable.Range(0, size * 5).Select(_ => random.NextDouble() - 0.5)];
        var right = new double[size * 5];
        for (var row = 0; row < size; row++)
        {
            for (var column = 0; column < size; column++)
            {
                var value = column <= row ? matrix[(row * size) + column] : matrix[(column * size) + row];
                if (row == column) value += 0.5;
                for (var at = 0; at < 5; at++) right[(row * 5) + at] += value * wanted[(column * 5) + at];
            }
        }

        // What lies above the diagonal is not read.
        for (var row = 0; row < size; row++) matrix.AsSpan((row * size) + row + 1, size - row - 1).Fill(double.NaN);
        var solved = Cholesky.Of(matrix, size, 0.5, 2)!.Solve(right, 5, 2);
        for (var at = 0; at < wanted.Length; at++) Assert.Equal(wanted[at], solved[at], 1e-9);
    }

    [Fact]
    public void What_is_not_positive_definite_has_no_factor()
    {
        Assert.Null(Cholesky.Of([1, 0, 2, 1], 2, 0, 1));
        Assert.Null(Cholesky.Of([double.NaN], 1, 0, 1));
    }

    [Fact]
    public void Leading_vectors_are_those_of_the_largest_eigenvalues()
    {
        const int Size = 60;
        var random = new Random(3);
        var basis = Enumerable.Range(0, Size).Select(_ => Enumerable.Range(0, Size).Select(_ => random.NextDouble() - 0.5).ToArray()).ToArray();
        for (var at = 0; at < Size; at++)
        {
            for (var before = 0; before < at; before++)
            {
                var dot = basis[at].Zip(basis[before], (a, b) => a * b).Sum();
                for (var i = 0; i < Size; i++) basis[at][i] -= dot * basis[before][i];
            }

            var length = Math.Sqrt(basis[at].Sum(value => value * value));
            for (var i = 0; i < Size; i++) basis[at][i] /= length;
        }

        var matrix = new double[Size * Size];
        for (var at = 0; at < Size; at++)
        {
            for (var i = 0; i < Size * Size; i++) matrix[i] += Math.Pow(0.7, at) * basis[at][i / Size] * basis[at][i % Size];
        }

        var found = LeadingVectors.Of(matrix, Size, 6, 1);
        Assert.Equal(6, found.Length);
        for (var at = 0; at < 6; at++) Assert.Equal(1, Math.Abs(found[at].Zip(basis[at], (a, b) => a * b).Sum()), 1e-6);
    }

    [Fact]
    public void A_matrix_of_low_rank_has_no_more_vectors_than_that()
    {
        var matrix = new double[25];
        for (var at = 0; at < 25; at++) matrix[at] = ((at / 5) + 1) * ((at % 5) + 1);
        Assert.Single(LeadingVectors.Of(matrix, 5, 4, 1), vector => Math.Abs(vector[4]) > 0.1 && Math.Abs((vector[4] / vector[0]) - 5) < 1e-6);
    }

    /// <summary>Rounding with regard to the inputs' moments leaves less of the output's error than rounding each weight to its nearest.</summary>
    [Fact]
    public void Rounding_makes_up_for_what_it_does()
    {
        const int Columns = 96, Rows = 8;
        var random = new Random(4);
        var moments = Positive(Columns, 24);
        for (var at = 0; at < Columns; at++) moments[(at * Columns) + at] += 0.05;
        var weights = Random(random, Columns * Rows);
        var (scales, offsets) = (new float[weights.Length], new float[weights.Length]);
        Array.Fill(scales, 0.125f);
        var rounded = weights.ToArray();
        var quants = GridRounding.Round(Cholesky.Of(moments, Columns, 0, 1)!, rounded, Rows, scales, offsets, GgmlType.Q4_0, 1);
        var nearest = weights.Select(value => Math.Clamp(MathF.Round(value / 0.125f), -8, 7) * 0.125f).ToArray();
        Assert.All(rounded.Zip(quants), pair => Assert.Equal(pair.Second * 0.125f, pair.First));
        Assert.True(Error(rounded) < 0.5 * Error(nearest), $"{Error(rounded)} against {Error(nearest)}");

        double Error(float[] values)
        {
            var error = 0.0;
            for (var row = 0; row < Rows; row++)
            {
                for (var i = 0; i < Columns; i++)
                {
                    for (var j = 0; j < Columns; j++) error += moments[(Math.Max(i, j) * Columns) + Math.Min(i, j)] * (values[(i * Rows) + row] - weights[(i * Rows) + row]) * (values[(j * Rows) + row] - weights[(j * Rows) + row]);
                }
            }

            return error;
        }
    }

    private static float[] Random(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() - 0.5))];

    /// <summary>Second moments of <paramref name="rank"/> random vectors.</summary>
    private static double[] Positive(int size, int rank)
    {
        var random = new Random(1);
        var matrix = new double[size * size];
        for (var at = 0; at < rank; at++)
        {
            var vector = Random(random, size);
            for (var i = 0; i < size * size; i++) matrix[i] += vector[i / size] * vector[i % size];
        }

        return matrix;
    }
}
