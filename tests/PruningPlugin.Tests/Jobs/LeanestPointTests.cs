using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Jobs;

namespace FinerCut.Pruning.Tests.Jobs;

public class LeanestPointTests
{
    [Fact]
    public void The_leanest_that_passes_is_found_with_few_questions()
    {
        long[] removed = [.. Enumerable.Range(1, 64).Select(number => 100L * number)];
        for (var limit = -1; limit < 64; limit++)
        {
            var asked = 0;
            var found = LeanestPoint.Choose(removed, point =>
            {
                asked++;
                return point <= limit;
            });
            Assert.InRange(asked, 1, 7);
            Assert.True(found <= limit, "what was found passed");
            if (limit >= 0) Assert.True(removed[limit] - removed[Math.Max(found, 0)] <= 0.05 * removed[limit] + 100, $"limit {limit}, found {found}");
            else Assert.Equal(-1, found);
        }
    }

    [Fact]
    public void Walking_back_takes_clearly_less_each_time_and_ends()
    {
        long[] removed = [10, 20, 50, 64, 79, 80, 100];
        Assert.Equal([6, 5, 3], LeanestPoint.WalkBack(removed, 6));
        Assert.Equal([1, 0], LeanestPoint.WalkBack(removed, 1));
        Assert.Empty(LeanestPoint.WalkBack(removed, -1));
    }

    [Fact]
    public void Halves_share_no_conversation_and_lose_none()
    {
        var set = new CalibrationSet("held-out", [.. Enumerable.Range(0, 9).Select(number => new TokenSequence($"{number}", [1, 2], 1))]);
        var (choosing, proving) = LeanestPoint.Split(set);
        Assert.True(choosing.IsDisjointFrom(proving));
        Assert.Equal((5, 4), (choosing.Sequences.Length, proving.Sequences.Length));
    }

    /// <summary>
    /// A path of points, all of them a little worse than the limit allows, is the case in which a selection fools itself: on synthetic conversations the procedure accepts one
    /// no more often than a single honest try may. The naive way (take the leanest that passes, and believe the half it was chosen on) does so several times as often.
    /// </summary>
    [Fact]
    public void Choosing_and_proving_accepts_wrongly_no_more_often_than_its_level_allows()
    {
        const int Trials = 200, Points = 8, Conversations = 30;
        const double Limit = 0.25, Level = 0.9;
        var random = new Random(20_261);
        long[] removed = [.. Enumerable.Range(0, Points).Select(point => (long)(100 * Math.Pow(1.3, point)))];
        var (wrong, naive) = (0, 0);
        for (var trial = 0; trial < Trials; trial++)
        {
            // True means are the limit itself: whatever is accepted is accepted wrongly. Points' errors are independent, which is the worst case.
            var halves = Enumerable.Range(0, 2 * Points).Select(_ => Enumerable.Range(0, Conversations).Select(_ => (Limit + (0.1 * Gaussian(random)), 1)).ToArray()).ToArray();
            bool Passes(int point, int half, double confidence) => Bootstrap.Mean(halves[(2 * point) + half], confidence, trial).High <= Limit;
            var chosen = LeanestPoint.Choose(removed, point => Passes(point, 0, LeanestPoint.ConfidenceOfTry(Level)));
            if (LeanestPoint.WalkBack(removed, Math.Max(chosen, 0)).Any(point => Passes(point, 1, LeanestPoint.ConfidenceOfTry(Level)))) wrong++;
            if (Enumerable.Range(0, Points).Any(point => Passes(point, 0, Level))) naive++;
        }

        // One-sided: half of 1 - 0.9. A quarter more and four standard errors are allowed, since a bootstrap over 30 conversations is a little short.
        var allowed = (1 - Level) / 2;
        var most = (1.25 * allowed) + (4 * Math.Sqrt(allowed * (1 - allowed) / Trials));
        Assert.True(wrong <= most * Trials, $"{wrong} of {Trials}");
        Assert.True(naive > 2 * most * Trials, $"the naive way: {naive} of {Trials}");
    }

    private static double Gaussian(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
