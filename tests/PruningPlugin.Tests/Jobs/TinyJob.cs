using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Pruning.Jobs;
using FinerCut.Runtime.Native;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Jobs;

/// <summary>What a part of a job is given, on a tiny model in a folder of its own; removes it at the end.</summary>
internal sealed class TinyJob : IDisposable
{
    /// <summary>A gate that lets any model through.</summary>
    public static readonly GateThresholds OpenGate = new() { MaxMeanKl = 1e6, MinTop1Agreement = 0, MaxAnswerNllIncrease = 1e6, MaxGeneralNllIncrease = 1e6, MinCommonPrefix = 0 };

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-job-").FullName;

    /// <param name="change">Of a request for a tenth of the bytes.</param>
    public TinyJob(int blocks, Func<PruneRequest, PruneRequest> change)
    {
        var request = change(new PruneRequest
        {
            JobId = "job", ModelPath = Path.Combine(_folder, "model.gguf"), OutputPath = Path.Combine(_folder, "lean.gguf"), WorkFolder = Path.Combine(_folder, "work"),
            CalibrationPath = "calibration", HeldOutPath = "held-out", Budget = new PruneBudget(Fraction: 0.1), Threads = Workbench.Threads,
        });
        new TinyModel { Seed = 37, Blocks = blocks }.WriteTo(request.ModelPath);
        Context = new JobContext(request, NativeRuntime.Open(), TimeProvider.System, new Listener());
        Full = FullModel.Open(Context, _ => { }, CancellationToken.None);
    }

    public JobContext Context { get; }

    public FullModel Full { get; }

    /// <summary>Random conversations.</summary>
    public static TokenSequence[] Sequences(int count, int length, int answerStart)
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, count).Select(index => new TokenSequence($"{index}", [.. Enumerable.Range(0, length).Select(_ => random.Next(3, 200))], answerStart))];
    }

    public void Dispose()
    {
        Full.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
