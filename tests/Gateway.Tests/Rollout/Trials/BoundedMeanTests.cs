using FinerCut.Gateway.Rollout.Trials;

namespace FinerCut.Tests.Rollout.Trials;

public class BoundedMeanTests(ITestOutputHelper output)
{
    /// <summary>The promise: over a whole run of looks, the mean is outside at any time in at most alpha of the runs.</summary>
    [Theory]
    [InlineData(0.02)]
    [InlineData(0.3)]
    [InlineData(0.9)]
    public void The_mean_stays_inside_at_all_times(double mean)
    {
        const double Alpha = 0.1;
        const int Runs = 300;
        var random = new Random(7);
        var left = 0;
        for (var run = 0; run < Runs; run++)
        {
            var seen = default(BoundedMean);
            for (var i = 0; i < 400; i++)
            {
                seen = seen.Add(random.NextDouble() < mean ? 1 : 0);
                var (low, high) = seen.Bounds(Alpha);
                if (mean >= low && mean <= high) continue;
                left++;
                break;
            }
        }

        output.WriteLine($"mean {mean}: {left} of {Runs} runs left the bounds");
        Assert.InRange(left, 0, (int)(Runs * Alpha));
    }

    [Fact]
    public void Bounds_close_in_and_hold_the_mean()
    {
        var none = default(BoundedMean).Bounds(0.05);
        Assert.Equal((0, 1), none);
        var few = Of(20, 4).Bounds(0.05);
        var many = Of(2000, 400).Bounds(0.05);
        Assert.True(few.Low < many.Low && many.Low < 0.2 && many.High > 0.2 && many.High < few.High);
        Assert.InRange(many.High - many.Low, 0.03, 0.08);

        // Against the closed form for no failures: B(1/2, n + 1/2) / B(1/2, 1/2) (1 - p)^-n = 1 / alpha, n = 100, alpha = 0.01.
        var (low, high) = Of(100, 0).Bounds(0.01);
        Assert.Equal(0, low);
        double logBeta = 0;
        for (var k = 1; k <= 100; k++) logBeta += Math.Log((k - 0.5) / k);
        Assert.Equal(1 - Math.Exp((logBeta + Math.Log(0.01)) / 100), high, 9);
        Assert.Throws<ArgumentOutOfRangeException>(() => default(BoundedMean).Add(1.1));
    }

    [Fact]
    public void Values_between_are_values_too()
    {
        var random = new Random(3);
        var seen = default(BoundedMean);
        for (var i = 0; i < 1000; i++) seen = seen.Add((random.NextDouble() + random.NextDouble()) / 2);
        var (low, high) = seen.Bounds(0.01);
        Assert.InRange(0.5, low, high);
    }

    private static BoundedMean Of(long count, double sum) => new(count, sum);
}
