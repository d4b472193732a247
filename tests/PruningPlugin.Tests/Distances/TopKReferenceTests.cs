using FinerCut.Jobs;
using FinerCut.Pruning.Distances;

namespace FinerCut.Pruning.Tests.Distances;

public class TopKReferenceTests
{
    [Theory]
    [InlineData(DistanceKind.KullbackLeibler)]
    [InlineData(DistanceKind.JensenShannon)]
    [InlineData(DistanceKind.JensenShannonReversed)]
    [InlineData(DistanceKind.TopKKullbackLeibler)]
    public void Agrees_with_the_plain_formula_over_kept_tokens_and_the_rest(DistanceKind kind)
    {
        var (full, lean) = Rows(2000, 4, 1, 11);
        double[] p = Softmax(full), q = Softmax(lean);
        int[] kept = [.. Enumerable.Range(0, p.Length).OrderByDescending(at => p[at]).Take(40)];
        double[] outcomesP = [.. kept.Select(at => p[at]), 1 - kept.Sum(at => p[at])], outcomesQ = [.. kept.Select(at => q[at]), 1 - kept.Sum(at => q[at])];
        double Kl(Func<int, double> from, Func<int, double> to) => Enumerable.Range(0, outcomesP.Length).Sum(at => from(at) * Math.Log(from(at) / to(at)));
        double P(int at) => outcomesP[at];
        double Q(int at) => outcomesQ[at];
        double M(int at) => 0.5 * (P(at) + Q(at));
        var expected = kind switch
        {
            DistanceKind.JensenShannon => (0.5 * Kl(P, M)) + (0.5 * Kl(Q, M)),
            DistanceKind.JensenShannonReversed => (0.5 * Kl(M, P)) + (0.5 * Kl(M, Q)),
            _ => Kl(P, Q),
        };
        var reference = new TopKReference(kind, 1, 2000, 40);
        reference.Set(0, full, []);
        Assert.Equal(expected, reference.DistanceOf(0, lean, []), 1e-5 * expected);
    }

    /// <summary>Fewer outcomes cannot be told apart better; with all of them kept nothing is lost.</summary>
    [Fact]
    public void Is_never_more_than_over_whole_rows_and_grows_to_it()
    {
        var (full, lean) = Rows(3000, 5, 1.5, 12);
        var exact = LogitDistance.Between(DistanceKind.KullbackLeibler, full, LogitDistance.LogSumExp(full), lean);
        var before = 0.0;
        foreach (var kept in new[] { 1, 4, 16, 64, 256, 1024, 3000, 5000 })
        {
            var reference = new TopKReference(DistanceKind.TopKKullbackLeibler, 1, 3000, kept);
            reference.Set(0, full, []);
            var found = reference.DistanceOf(0, lean, []);
            Assert.InRange(found, before - 1e-6, exact + 1e-5);
            before = found;
        }

        Assert.Equal(exact, before, 1e-5);
    }

    [Fact]
    public void Equals_are_at_distance_zero_and_what_is_no_number_has_none()
    {
        var (full, lean) = Rows(500, 30, 1, 13);
        var reference = new TopKReference(DistanceKind.KullbackLeibler, 2, 500, 8);
        reference.Set(1, full, []);
        Assert.InRange(reference.DistanceOf(1, full, []), 0, 1e-6);
        lean[499] = float.NaN;
        Assert.True(double.IsNaN(reference.DistanceOf(1, lean, [])));
    }

    /// <summary>The figure of docs/pruning.md: 100,000 positions over 150,000 tokens.</summary>
    [Fact]
    public void Large_references_are_kept_small()
    {
        Assert.False(ReferenceRows.IsCompact(DistanceKind.JensenShannon, 2560, 49_152, 1L << 30));
        Assert.True(ReferenceRows.IsCompact(DistanceKind.JensenShannon, 100_000, 150_000, 1L << 30));
        Assert.False(ReferenceRows.IsCompact(DistanceKind.Angular, 100_000, 150_000, 1L << 30));
        Assert.Equal(205_600_000, ReferenceRows.For(DistanceKind.JensenShannon, 100_000, 150_000, 1L << 30, 256).Bytes);
    }

    private static (float[] Full, float[] Lean) Rows(int length, double scale, double noise, int seed)
    {
        var random = new Random(seed);
        float[] full = [.. Enumerable.Range(0, length).Select(_ => (float)(scale * ((2 * random.NextDouble()) - 1)))];
        return (full, [.. full.Select(value => (float)(value + (noise * ((2 * random.NextDouble()) - 1))))]);
    }

    private static double[] Softmax(float[] logits)
    {
        var sum = logits.Sum(value => Math.Exp(value));
        return [.. logits.Select(value => Math.Exp(value) / sum)];
    }
}
