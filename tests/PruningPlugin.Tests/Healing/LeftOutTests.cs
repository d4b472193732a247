using FinerCut.Pruning.Healing;

namespace FinerCut.Pruning.Tests.Healing;

public class LeftOutTests
{
    private const int Inputs = 7, Outputs = 3;
    private const double Penalty = 0.05;

    private static readonly int[] Lengths = [5, 1, 9, 12, 4];

    /// <summary>What follows from the hat matrix is what a fit without the sequence says, about the same means and with the same ridge.</summary>
    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(1, true)]
    public void A_sequence_is_predicted_as_by_a_fit_that_has_not_seen_it(int threads, bool throughOrigin)
    {
        var random = new Random(7);
        var tokens = Lengths.Sum();
        var (x, y, weights) = (Values(random, tokens * Inputs), Values(random, tokens * Outputs), Values(random, tokens).Select(value => MathF.Abs(value) + 0.2f).ToArray());
        for (var token = 0; token < tokens; token++) y[token * Outputs] += 2 * x[token * Inputs];
        var moments = new SecondMoments(Inputs, Outputs);
        moments.Add(x, y, weights, threads);
        var (map, factor) = throughOrigin ? ThroughOrigin(moments, threads) : moments.Solve(Penalty, int.MaxValue, threads)!.Value;
        Assert.Equal(throughOrigin, map.MeanX.All(mean => mean == 0));
        for (var token = 0; token < tokens; token++)
        {
            for (var at = 0; at < Outputs; at++) y[(token * Outputs) + at] -= map.MeanY[at];
        }

        var predicted = new LeftOut(map, factor, threads).Predict(x, y, weights, Lengths);
        var start = 0;
        foreach (var length in Lengths)
        {
            var (from, to) = (start, start + length);
            var expected = WithoutThem(x, y, weights, map, factor, token => token >= from && token < to);
            for (var at = from * Outputs; at < to * Outputs; at++) Assert.Equal(expected[at], predicted[at], 1e-3);
            start = to;
        }

        // What was fitted on a sequence comes nearer to it than what was not.
        var seen = WithoutThem(x, y, weights, map, factor, _ => false);
        Assert.True(Squares(y, seen) < 0.9 * Squares(y, predicted));
    }

    private static (LinearMap Map, Cholesky Factor) ThroughOrigin(SecondMoments moments, int threads)
    {
        var (map, leading, factor) = moments.SolveThroughOrigin(Penalty, 2, threads)!.Value;
        Assert.Equal(2 * Outputs, leading.Length);
        return (map, factor);
    }

    /// <summary>A part that is found again is believed, one that is noise is not.</summary>
    [Fact]
    public void Of_two_parts_each_is_believed_as_much_as_it_explains_of_their_sum()
    {
        var random = new Random(11);
        const int tokens = 4000;
        var believed = new Believed(2, 2);
        var (predicted, wanted) = (new float[2 * tokens], new float[2 * tokens]);
        for (var token = 0; token < tokens; token++)
        {
            var (found, other, noise) = ((float)Normal(random), (float)Normal(random), (float)Normal(random));
            (predicted[2 * token], wanted[2 * token]) = (2 * found, found);
            (predicted[(2 * token) + 1], wanted[(2 * token) + 1]) = ((0.5f * noise) + found, other);
        }

        believed.Add(predicted, wanted, [.. Enumerable.Repeat(1f, tokens)]);
        var (shares, gains) = believed.Shares();
        Assert.InRange(shares[0], 0.46, 0.54);
        Assert.InRange(shares[1], 0, 0.05);
        Assert.InRange(gains.Sum() / tokens, 0.9, 1.1);

        // Alone each would be believed, since they say the same.
        var alone = new Believed(1, 1);
        alone.Add([.. Enumerable.Range(0, tokens).Select(token => predicted[(2 * token) + 1])], [.. Enumerable.Range(0, tokens).Select(token => wanted[2 * token])], [.. Enumerable.Repeat(1f, tokens)]);
        Assert.InRange(alone.Shares().Shares[0], 0.7, 0.9);
    }

    private static double[] WithoutThem(float[] x, float[] y, float[] weights, LinearMap map, Cholesky factor, Func<int, bool> left)
    {
        var (xx, xy) = (new double[Inputs * Inputs], new double[Inputs * Outputs]);
        for (var row = 0; row < Inputs; row++)
        {
            for (var column = 0; column < Inputs; column++)
            {
                for (var at = 0; at <= Math.Min(row, column); at++) xx[(row * Inputs) + column] += factor.Row(row)[at] * factor.Row(column)[at];
            }
        }

        double X(int token, int at) => x[(token * Inputs) + at] - map.MeanX[at];
        for (var token = 0; token < weights.Length; token++)
        {
            for (var row = 0; row < Inputs; row++)
            {
                for (var column = 0; column < Inputs && left(token); column++) xx[(row * Inputs) + column] -= weights[token] * X(token, row) * X(token, column);
                for (var at = 0; at < Outputs && !left(token); at++) xy[(row * Outputs) + at] += weights[token] * X(token, row) * y[(token * Outputs) + at];
            }
        }

        var solved = Cholesky.Of(xx, Inputs, 0, 1)!.Solve(xy, Outputs, 1);
        var predicted = new double[weights.Length * Outputs];
        for (var token = 0; token < weights.Length; token++)
        {
            for (var at = 0; at < Outputs; at++) predicted[(token * Outputs) + at] = Enumerable.Range(0, Inputs).Sum(row => X(token, row) * solved[(row * Outputs) + at]);
        }

        return predicted;
    }

    private static double Squares(float[] wanted, IEnumerable<double> predicted) => wanted.Zip(predicted, (a, b) => (a - b) * (a - b)).Sum();

    private static double Squares(float[] wanted, float[] predicted) => Squares(wanted, predicted.Select(value => (double)value));

    private static float[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)Normal(random))];

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
