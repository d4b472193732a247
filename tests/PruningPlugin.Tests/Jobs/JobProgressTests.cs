using FinerCut.Jobs;
using FinerCut.Pruning.Jobs;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Tests.Searches;
using Microsoft.Extensions.Time.Testing;

namespace FinerCut.Pruning.Tests.Jobs;

public class JobProgressTests
{
    private static readonly JobForecast Forecast = new(Texts: 100, Fits: 400, Verifying: 50, Gate: 25, Measuring: 40, Tries: 1);

    private readonly FakeTimeProvider _time = new();
    private readonly List<PruneProgress> _lines = [];

    /// <summary>Seconds to the end of the whole job, whose parts have not begun: a pass of a token takes 10 ms here, and what is forecast takes as long.</summary>
    [Fact]
    public void A_job_that_goes_as_forecast_always_told_its_end()
    {
        var progress = Begun(Forecast);
        for (var scored = 1; scored <= 4; scored++) Told(5, () => progress.Evaluated(new SearchPace(0, 1, scored, 4)), (5 * (4 - scored)) + 6.15);
        Told(0, progress.HealingBegins, 6.15);
        Told(0, () => progress.Healed(0, 104), 6.15);
        Told(0.5, () => progress.Healed(50, 104), 5.65);
        Told(0.5, () => progress.Healed(100, 104), 5.15);
        for (var fit = 1; fit <= 4; fit++) Told(1, () => progress.Healed(100 + fit, 104), 5.15 - fit);
        Told(0, () => progress.Phase(PrunePhase.Writing, 0, 1), 1.15);
        Told(0.25, () => progress.Phase(PrunePhase.Verifying, 1, 2), 0.9);
        Told(0.25, () => progress.Phase(PrunePhase.Verifying, 2, 2), 0.65);
        Told(0, () => progress.Phase(PrunePhase.Gate, 0, 1), 0.65);
        Told(0.25, () => progress.Phase(PrunePhase.Gate, 1, 1), 0.4);
        Told(0.1, () => progress.Phase(PrunePhase.Measuring, 1, 4), 0.3);
    }

    /// <summary>A fit's time is not reckoned by that of texts, and the first one does not outweigh all that was forecast; a hundred do.</summary>
    [Fact]
    public void What_has_begun_goes_more_and_more_at_its_own_pace()
    {
        var progress = Begun(Forecast);
        progress.HealingBegins();
        progress.Healed(0, 300);
        Told(0, () => progress.Healed(50, 300), (50 * 5 * 0.01 / 55) + 4 + 1.15);
        Told(0, () => progress.Healed(100, 300), 4 + 1.15);

        // 20 ms each were forecast.
        Told(3.2, () => progress.Healed(101, 300), (199 * (3.2 + 0.1) / 6) + 1.15);
        for (var fit = 2; fit < 100; fit++)
        {
            _time.Advance(TimeSpan.FromSeconds(0.2));
            progress.Healed(100 + fit, 300);
        }

        Told(0.2, () => progress.Healed(200, 300), (100 * (23 + 0.1) / 105) + 1.15);
    }

    [Fact]
    public void Tries_that_follow_count_and_write_no_texts_again()
    {
        var progress = Begun(Forecast with { Tries = 3 });
        Told(0, progress.HealingBegins, 1 + (3 * (4 + 0.75)) + 0.4);
        Told(0, progress.HealingBegins, (2 * (4 + 0.75)) + 0.4);
        Told(0, () => progress.Phase(PrunePhase.Gate, 1, 1), 4.75 + 0.4);

        // More of them than were thought of.
        progress.HealingBegins();
        Told(0, progress.HealingBegins, 4 + 0.75 + 0.4);
    }

    private JobProgress Begun(JobForecast forecast)
    {
        var progress = new JobProgress(new Lines(_lines), _time) { Forecast = () => forecast };
        progress.Passed(1000, 10);
        progress.SearchBegins(0, 0);
        return progress;
    }

    private void Told(double seconds, Action step, double left)
    {
        _time.Advance(TimeSpan.FromSeconds(seconds));
        step();
        Assert.Equal(left, _lines[^1].EtaSeconds!.Value, 1e-6);
    }

    private sealed class Lines(List<PruneProgress> lines) : IProgress<PruneProgress>
    {
        public void Report(PruneProgress value) => lines.Add(value);
    }
}
