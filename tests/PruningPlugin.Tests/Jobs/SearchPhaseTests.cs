using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Pruning.Jobs;

namespace FinerCut.Pruning.Tests.Jobs;

public class SearchPhaseTests
{
    /// <summary>Through what is called at its steps the job's progress held reference and states until its end: 135 MB of SmolLM2, beside the proof's own.</summary>
    [Fact]
    public void Once_it_is_over_the_progress_holds_nothing_of_it()
    {
        using var job = new TinyJob(3, request => request with { Budget = new PruneBudget(Sublayers: 2), Search = SearchKind.Paper });
        var calibration = new CalibrationSet("calibration", [.. TinyJob.Sequences(4, 40, 20)]);
        var progress = new JobProgress(job.Context.Progress, job.Context.Time);
        var found = new SearchPhase(job.Context, job.Full, calibration, progress).Run(costs => costs, null, CancellationToken.None);
        Assert.Equal(2, found.Path[^1].Steps.Length);
        Assert.Null(progress.OnStep);
    }
}
