using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Pruning.Jobs;
using FinerCut.Runtime.Native;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Jobs;

public sealed class SearchPhaseTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-search-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Through what is called at its steps the job's progress held reference and states until its end: 135 MB of SmolLM2, beside the proof's own.</summary>
    [Fact]
    public void Once_it_is_over_the_progress_holds_nothing_of_it()
    {
        var request = new PruneRequest
        {
            JobId = "job", ModelPath = Path.Combine(_folder, "model.gguf"), OutputPath = Path.Combine(_folder, "lean.gguf"), WorkFolder = Path.Combine(_folder, "work"),
            CalibrationPath = "calibration", HeldOutPath = "held-out", Budget = new PruneBudget(Sublayers: 2), Threads = 1, Search = SearchKind.Paper,
        };
        new TinyModel { Seed = 37, Blocks = 3 }.WriteTo(request.ModelPath);
        var random = new Random(3);
        var calibration = new CalibrationSet("calibration", [.. Enumerable.Range(0, 4).Select(index => new TokenSequence($"{index}", [.. Enumerable.Range(0, 40).Select(_ => random.Next(3, 200))], 20))]);
        var context = new JobContext(request, NativeRuntime.Open(), TimeProvider.System, new Nobody());
        var progress = new JobProgress(context.Progress, context.Time, 1);
        using var full = FullModel.Open(context, _ => { }, CancellationToken.None);
        var found = new SearchPhase(context, full, calibration, progress).Run(costs => costs, null, CancellationToken.None);
        Assert.Equal(2, found.Path[^1].Steps.Length);
        Assert.Null(progress.OnStep);
    }

    private sealed class Nobody : IProgress<PruneProgress>
    {
        public void Report(PruneProgress value)
        {
        }
    }
}
