using System.Numerics;
using FinerCut.Jobs;
using FinerCut.Pruning.Distances;

namespace FinerCut.Pruning.Tests.Distances;

public class LogitDistanceTests
{
    [Theory]
    [InlineData(DistanceKind.JensenShannon)]
    [InlineData(DistanceKind.JensenShannonReversed)]
    [InlineData(DistanceKind.KullbackLeibler)]
    [InlineData(DistanceKind.Angular)]
    [InlineData(DistanceKind.Norm)]
    public void Agrees_with_the_plain_formula_in_double(DistanceKind kind)
    {
        foreach (var (length, scale, noise) in new[] { (5, 1.0, 0.5), (2049, 3.0, 0.01), (4099, 8.0, 2.0), (49152, 4.0, 0.3), (1000, 60.0, 30.0) })
        {
            var (full, lean) = Rows(length, scale, noise, seed: length);
            var expected = Plain(kind, full, lean);
            var found = LogitDistance.Between(kind, full, LogitDistance.LogSumExp(full), lean);
            Assert.True(Math.Abs(found - expected) <= 2e-6 + (2e-5 * Math.Abs(expected)), $"{kind} over {length}: {found}, expected {expected}");
        }
    }

    [Theory]
    [InlineData(DistanceKind.JensenShannon)]
    [InlineData(DistanceKind.JensenShannonReversed)]
    [InlineData(DistanceKind.KullbackLeibler)]
    [InlineData(DistanceKind.Norm)]
    public void Equals_are_at_distance_zero(DistanceKind kind)
    {
        var (full, _) = Rows(49152, 5, 0, seed: 3);
        Assert.InRange(LogitDistance.Between(kind, full, LogitDistance.LogSumExp(full), full), 0, 1e-7);
    }

    /// <summary>A shift of all logits changes no probability, however large: the naive exponential would overflow.</summary>
    [Fact]
    public void A_shift_changes_no_divergence()
    {
        var (full, lean) = Rows(1000, 3, 1, seed: 4);
        var shifted = lean.Select(value => value + 1000f).ToArray();
        foreach (var kind in new[] { DistanceKind.JensenShannon, DistanceKind.KullbackLeibler })
        {
            var sum = LogitDistance.LogSumExp(full);
            Assert.Equal(LogitDistance.Between(kind, full, sum, lean), LogitDistance.Between(kind, full, sum, shifted), 3e-4);
        }
    }

    [Fact]
    public void Jensen_Shannon_is_symmetric_and_bounded_by_ln_2()
    {
        var (full, lean) = Rows(3000, 40, 40, seed: 5);
        var there = LogitDistance.Between(DistanceKind.JensenShannon, full, LogitDistance.LogSumExp(full), lean);
        var back = LogitDistance.Between(DistanceKind.JensenShannon, lean, LogitDistance.LogSumExp(lean), full);
        Assert.Equal(there, back, 1e-6);
        Assert.InRange(there, 0.1, Math.Log(2) + 1e-6);
    }

    [Fact]
    public void A_row_that_is_no_number_has_no_distance()
    {
        var (full, lean) = Rows(100, 1, 1, seed: 6);
        lean[50] = float.NaN;
        Assert.True(double.IsNaN(LogitDistance.Between(DistanceKind.JensenShannon, full, LogitDistance.LogSumExp(full), lean)));
    }

    [Fact]
    public void Rows_of_other_lengths_are_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => LogitDistance.Between(DistanceKind.Norm, new float[3], 0, new float[4]));

    [Fact]
    public void Fast_exponential_and_logarithm_are_within_two_ulp()
    {
        var worst = (Exp: 0.0, Log: 0.0);
        for (var x = -87.2f; x < 88f; x += 0.00137f)
        {
            var found = FastMath.Exp(new Vector<float>(x))[0];
            worst.Exp = Math.Max(worst.Exp, Math.Abs(found - Math.Exp(x)) / Math.Exp(x));
        }

        for (var x = 1.2e-38f; x < 1e38f; x *= 1.0137f)
        {
            var expected = Math.Log(x);
            worst.Log = Math.Max(worst.Log, Math.Abs(FastMath.LogOfPositive(new Vector<float>(x))[0] - expected) / Math.Max(Math.Abs(expected), 1));
        }

        Assert.InRange(worst.Exp, 0, 2.5e-7);
        Assert.InRange(worst.Log, 0, 2.5e-7);
        Assert.Equal(0f, FastMath.Exp(new Vector<float>(float.NegativeInfinity))[0]);
        Assert.Equal(0f, FastMath.Exp(new Vector<float>(-200f))[0]);
        Assert.True(float.IsNaN(FastMath.Exp(new Vector<float>(float.NaN))[0]));
    }

    [Fact]
    public void Half_precision_keeps_reference_logits_within_its_error()
    {
        var (full, lean) = Rows(49152, 5, 0.3, seed: 7);
        var single = new ReferenceLogits(1, 49152, budgetBytes: 49152 * 4);
        var half = new ReferenceLogits(1, 49152, budgetBytes: (49152 * 4) - 1);
        Assert.Equal((LogitStore.Single, LogitStore.Half), (single.Store, half.Store));
        single.Set(0, full, new float[49152]);
        half.Set(0, full, new float[49152]);
        var scratch = new float[49152];
        var exact = LogitDistance.Between(DistanceKind.JensenShannon, single.Row(0, scratch), single.LogSumExp(0), lean);
        var compact = LogitDistance.Between(DistanceKind.JensenShannon, half.Row(0, scratch), half.LogSumExp(0), lean);
        Assert.Equal(exact, compact, 3e-4 * exact);
        Assert.InRange(LogitDistance.Between(DistanceKind.JensenShannon, half.Row(0, scratch), half.LogSumExp(0), full), 0, 1e-6);
    }

    private static (float[] Full, float[] Lean) Rows(int length, double scale, double noise, int seed)
    {
        var random = new Random(seed);
        var full = new float[length];
        var lean = new float[length];
        for (var at = 0; at < length; at++)
        {
            full[at] = (float)(scale * ((2 * random.NextDouble()) - 1));
            lean[at] = (float)(full[at] + (noise * ((2 * random.NextDouble()) - 1)));
        }

        return (full, lean);
    }

    private static double Plain(DistanceKind kind, float[] full, float[] lean)
    {
        double[] p = Softmax(full), q = Softmax(lean);
        double Kl(Func<int, double> from, Func<int, double> to) =>
            Enumerable.Range(0, p.Length).Sum(at => from(at) == 0 ? 0 : from(at) * Math.Log(from(at) / to(at)));
        double P(int at) => p[at];
        double Q(int at) => q[at];
        double M(int at) => 0.5 * (p[at] + q[at]);
        return kind switch
        {
            DistanceKind.JensenShannon => (0.5 * Kl(P, M)) + (0.5 * Kl(Q, M)),
            DistanceKind.JensenShannonReversed => (0.5 * Kl(M, P)) + (0.5 * Kl(M, Q)),
            DistanceKind.KullbackLeibler => Kl(P, Q),
            DistanceKind.Angular => Math.Acos(full.Zip(lean, (a, b) => (double)a * b).Sum() / Math.Sqrt(full.Sum(a => (double)a * a) * lean.Sum(b => (double)b * b))),
            _ => Math.Sqrt(full.Zip(lean, (a, b) => ((double)a - b) * ((double)a - b)).Sum()),
        };
    }

    private static double[] Softmax(float[] logits)
    {
        var max = logits.Max();
        var sum = logits.Sum(value => Math.Exp((double)value - max));
        return [.. logits.Select(value => Math.Exp((double)value - max) / sum)];
    }
}
