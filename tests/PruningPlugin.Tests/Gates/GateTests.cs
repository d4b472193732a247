using FinerCut.Jobs;
using FinerCut.Pruning.Gates;

namespace FinerCut.Pruning.Tests.Gates;

public class GateTests
{
    private static readonly GateThresholds Thresholds = new() { MaxMeanKl = 0.2, MinTop1Agreement = 0.7, MaxAnswerNllIncrease = 0.2 };

    [Fact]
    public void A_mean_over_tokens_weighs_conversations_by_their_length()
    {
        var estimate = Bootstrap.Mean([(10, 10), (0, 30)], 0.95, seed: 1);
        Assert.Equal(0.25, estimate.Mean);
        Assert.InRange(estimate.Low, 0, 0.25);
        Assert.InRange(estimate.High, 0.25, 1);
    }

    [Fact]
    public void Same_seed_same_interval()
    {
        (double, int)[] clusters = [.. Enumerable.Range(0, 20).Select(index => ((double)index * index, 10 + index))];
        Assert.Equal(Bootstrap.Mean(clusters, 0.9, 7), Bootstrap.Mean(clusters, 0.9, 7));
        Assert.NotEqual(Bootstrap.Mean(clusters, 0.9, 7).Low, Bootstrap.Mean(clusters, 0.9, 8).Low);
    }

    /// <summary>The promise of an interval: over many draws of conversations it holds the true mean about as often as it says.</summary>
    [Fact]
    public void Intervals_cover_the_true_mean_as_often_as_they_say()
    {
        var random = new Random(12);
        const int Trials = 300;
        var covered = 0;
        for (var trial = 0; trial < Trials; trial++)
        {
            var clusters = Enumerable.Range(0, 40).Select(_ =>
            {
                var count = random.Next(5, 60);
                var level = 0.3 + (0.2 * ((2 * random.NextDouble()) - 1));
                return (level * count, count);
            }).ToArray();
            var estimate = Bootstrap.Mean(clusters, 0.9, trial);
            if (estimate.Low <= 0.3 && 0.3 <= estimate.High) covered++;
        }

        Assert.InRange(covered / (double)Trials, 0.84, 0.96);
    }

    [Fact]
    public void No_value_no_interval() => Assert.True(double.IsNaN(Bootstrap.Mean([(0, 0)], 0.95, 1).Mean));

    /// <summary>
    /// Models whose true mean KL stands at the limit must not be let through more often than the interval's level allows: 2.5 % at 95 %, and something for
    /// the percentile bootstrap of 40 skewed conversations.
    /// </summary>
    [Fact]
    public void Models_at_the_limit_are_let_through_as_seldom_as_the_interval_promises()
    {
        const int Trials = 400;
        var random = new Random(21);
        var passed = 0;
        for (var trial = 0; trial < Trials; trial++)
        {
            // Exponential levels of mean 0.2, the limit: as skewed as conversations' KL is.
            var figures = Enumerable.Range(0, 40).Select(_ =>
            {
                var tokens = random.Next(40, 160);
                return new ConversationFigures(tokens, -0.2 * Math.Log(1 - random.NextDouble()) * tokens, tokens, tokens, 0);
            }).ToArray();
            if (Gate.Judge(figures, Thresholds, trial, 0, 0).Passed) passed++;
        }

        Assert.InRange(passed / (double)Trials, 0.002, 0.07);
    }

    [Fact]
    public void General_text_and_continuations_are_judged_by_their_unfavourable_ends()
    {
        var close = Conversations(kl: 0.05, agreement: 0.9, nll: 0.02);
        var thresholds = Thresholds with { MaxGeneralNllIncrease = 0.3, MinCommonPrefix = 2 };
        GateReport Judged(double general, params int[] prefixes) =>
            Gate.Judge(close, thresholds, 1, 0, 0, generation: new GenerationFigures([.. Enumerable.Range(0, 16).Select(at => (31 * (general + (at % 2 == 0 ? 0.05 : -0.05)), 31))], [.. prefixes]));
        Assert.True(Judged(0.2, 3, 4, 5, 3, 4, 5).Passed);
        Assert.Equal(Gate.GeneralNllIncrease, Assert.Single(Judged(0.29, 3, 4, 5, 3, 4, 5).Checks, check => !check.Passed).Name);
        Assert.Equal(Gate.CommonPrefix, Assert.Single(Judged(0.2, 3, 0, 5, 0, 4, 0).Checks, check => !check.Passed).Name);

        // Nothing to look at is refused, not skipped.
        Assert.Equal(Gate.CommonPrefix, Assert.Single(Judged(0.2).Checks, check => !check.Passed).Name);
    }

    /// <summary>Of a healed file its distance from the simulation is judged, since it is not equal to the last bit.</summary>
    [Fact]
    public void A_healed_file_is_judged_by_its_distance_from_the_simulation()
    {
        var close = Conversations(kl: 0.05, agreement: 0.9, nll: 0.02);
        Assert.True(Gate.Judge(close, Thresholds, 1, 0.7, 0, fileKl: new FileKl(Gate.HealedFileKl, 0.004)).Passed);
        Assert.False(Gate.Judge(close, Thresholds, 1, 0.7, 0, fileKl: new FileKl(Gate.HealedFileKl, 0.4)).Passed);
        Assert.False(Gate.Judge(close, Thresholds, 1, 0.7, 0, fileKl: new FileKl(Gate.HealedFileKl, double.NaN)).Passed);
    }

    [Fact]
    public void A_close_model_passes()
    {
        var report = Gate.Judge(Conversations(kl: 0.05, agreement: 0.9, nll: 0.02), Thresholds, 1, 0, 0);
        Assert.True(report.Passed);
        Assert.All(report.Checks, check => Assert.True(check.Passed));
        Assert.Equal((30, 3000), (report.Conversations, report.Tokens));
    }

    [Theory]
    [InlineData(0.5, 0.9, 0.02, 0, Gate.MeanKl)]
    [InlineData(0.05, 0.5, 0.02, 0, Gate.Top1Agreement)]
    [InlineData(0.05, 0.9, 0.5, 0, Gate.AnswerNllIncrease)]
    [InlineData(0.05, 0.9, 0.02, 1e-6, Gate.MaskedFileDifference)]
    public void One_bad_figure_refuses(double kl, double agreement, double nll, double difference, string which)
    {
        var report = Gate.Judge(Conversations(kl, agreement, nll), Thresholds, 1, difference, 0);
        Assert.False(report.Passed);
        Assert.Equal([which], report.Checks.Where(check => !check.Passed).Select(check => check.Name));
    }

    /// <summary>A mean within the limit is not enough while its interval reaches beyond.</summary>
    [Fact]
    public void The_unfavourable_end_counts()
    {
        ConversationFigures[] uneven = [.. Enumerable.Range(0, 6).Select(index => new ConversationFigures(100, index == 0 ? 100 : 1, 95, 50, 0))];
        var report = Gate.Judge(uneven, Thresholds, 1, 0, 0);
        var kl = report.Checks.Single(check => check.Name == Gate.MeanKl);
        Assert.InRange(kl.Value.Mean, 0, Thresholds.MaxMeanKl);
        Assert.False(kl.Passed);
    }

    [Fact]
    public void What_is_no_number_is_refused()
    {
        Assert.False(Gate.Judge(Conversations(double.NaN, 0.9, 0), Thresholds, 1, 0, 0).Passed);
        Assert.False(Gate.Judge(Conversations(0.05, 0.9, 0), Thresholds, 1, double.NaN, 0).Passed);
        Assert.False(Gate.Judge([new(10, 0.1, 10, 0, 0)], Thresholds, 1, 0, 0).Passed);
    }

    private static ConversationFigures[] Conversations(double kl, double agreement, double nll) =>
        [.. Enumerable.Range(0, 30).Select(_ => new ConversationFigures(100, 100 * kl, (int)(100 * agreement), 50, 50 * nll))];
}
