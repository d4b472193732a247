using System.Collections.Immutable;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Jobs;
using FinerCut.Runtime.Native;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Jobs;

public sealed class FinerCutPrunerTests : IDisposable
{
    private static readonly TinyModel Model = new() { Seed = 31, Blocks = 4, Embedding = 128, Heads = 4, KvHeads = 2, FeedForward = 256, Weights = GgmlType.Q8_0 };

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-pruner-").FullName;
    private readonly FinerCutPruner _pruner = new(NativeRuntime.Open(), TimeProvider.System);
    private readonly List<PruneProgress> _progress = [];

    private PruneRequest Request => new()
    {
        JobId = "job", ModelPath = Path.Combine(_folder, "model.gguf"), OutputPath = Path.Combine(_folder, "lean.gguf"), WorkFolder = Path.Combine(_folder, "work"),
        CalibrationPath = "calibration", HeldOutPath = "held-out", Budget = new PruneBudget(Sublayers: 3), Gate = TinyJob.OpenGate, Threads = 1, MinTokens = 100, Healing = HealingKind.None,
    };

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(SearchKind.Paper)]
    [InlineData(SearchKind.LazyGreedy)]
    public async Task A_job_ends_with_a_proven_file_and_its_figures(SearchKind search)
    {
        Model.WriteTo(Request.ModelPath);
        var result = await PruneAsync(Request with { Search = search, Grains = [PruneGrain.Sublayer] });
        Assert.Null(result.Error);
        Assert.Equal(PruneOutcome.Passed, result.Outcome);
        Assert.Equal(0, result.Gate!.MaskedFileMaxDifference);
        Assert.Equal(3, result.Steps.Length);
        Assert.Equal(3, result.Removed.Length);
        Assert.Equal(result.Steps.Sum(step => step.Evaluations), result.Evaluations);
        Assert.Equal(new FileInfo(Request.OutputPath).Length, result.Lean!.FileBytes);
        Assert.Equal((8, 5), (result.Full!.Sublayers, result.Lean.Sublayers));
        Assert.True(result.Lean.PrefillTokensPerSecond > 0 && result.Full.DecodeTokensPerSecond > 0);
        using var lean = GgufFile.Open(result.OutputPath!);
        Assert.Equal(result.Full.Sha256, lean.Model.GetText("finercut.parent.sha256"));
        Assert.Equal(result.Steps.Select(step => step.Removed), lean.Model.Get("finercut.removed").GetTexts());
        Assert.Equal(result.Steps.Select(step => step.Distance), lean.Model.Get("finercut.distances").GetElements<double>().ToArray());
        Assert.Equal([PrunePhase.Loading, PrunePhase.Reference, PrunePhase.Search, PrunePhase.Writing, PrunePhase.Verifying, PrunePhase.Gate, PrunePhase.Measuring, PrunePhase.Done], _progress.Select(line => line.Phase).Distinct());
        Assert.Equal(result.Removed.Order(), result.Shares.Select(item => item.Name).Order());
        Assert.All(result.Shares, item => Assert.Equal(1, item.Share));
        Assert.Equal(8, result.Sensitivity.Length);
        Assert.Equal(4, result.Examples.Length);
        Assert.Contains(result.Removed[0], File.ReadAllText(Request.OutputPath + ".report.html"), StringComparison.Ordinal);
        Assert.Equal(["lean.gguf", "lean.gguf.report.html", "model.gguf"], Directory.GetFiles(_folder).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task Layers_for_a_GPU_that_is_not_there_are_the_processors_and_the_notes_say_so()
    {
        Assert.SkipWhen(NativeRuntime.Open().Info.SupportsGpu, "There is a GPU.");
        Model.WriteTo(Request.ModelPath);
        var result = await PruneAsync(Request with { Search = SearchKind.OneShot, GpuLayers = -1 });
        Assert.Equal((PruneOutcome.Passed, 0), (result.Outcome, result.Gate!.MaskedFileMaxDifference));
        Assert.Contains(result.Gate.Checks, check => check.Name == Gate.MaskedFileDifference);
        Assert.Contains(result.Notes, note => note.StartsWith("gpu_layers:", StringComparison.Ordinal));
        File.Delete(Request.OutputPath);
        var refused = await PruneAsync(Request with { Search = SearchKind.OneShot, GpuLayers = 3, WorkFolder = Path.Combine(_folder, "other") });
        Assert.Equal((PruneOutcome.Failed, JobErrorCodes.RuntimeFailed), (refused.Outcome, refused.Error!.Code));
        Assert.False(File.Exists(Request.OutputPath));
    }

    /// <summary>Every search, baselines included, with the moves that it has by itself: the file is what was masked, and the budget is kept.</summary>
    [Theory]
    [InlineData(SearchKind.LazyGreedy)]
    [InlineData(SearchKind.RacingGreedy)]
    [InlineData(SearchKind.Beam)]
    [InlineData(SearchKind.Local)]
    [InlineData(SearchKind.Evolutionary)]
    [InlineData(SearchKind.Sleb)]
    [InlineData(SearchKind.ShortGpt)]
    [InlineData(SearchKind.OneShot)]
    [InlineData(SearchKind.LastBlocks)]
    [InlineData(SearchKind.Random)]
    public async Task Every_search_ends_with_a_proven_file(SearchKind search)
    {
        Model.WriteTo(Request.ModelPath);
        var result = await PruneAsync(Request with { Search = search, Budget = new PruneBudget(Fraction: 0.3), SlicesPerFfn = 4 });
        Assert.Null(result.Error);
        Assert.Equal(PruneOutcome.Passed, result.Outcome);
        Assert.Equal(0, result.Gate!.MaskedFileMaxDifference);
        using var full = GgufFile.Open(Request.ModelPath);
        Assert.True(result.Steps.Sum(step => step.Bytes) >= 0.3 * full.Model.Tensors.Where(tensor => tensor.Name.StartsWith("blk.", StringComparison.Ordinal)).Sum(tensor => tensor.ByteCount));
        if (search is SearchKind.Sleb or SearchKind.ShortGpt or SearchKind.LastBlocks) Assert.All(result.Steps, step => Assert.StartsWith("block:", step.Removed, StringComparison.Ordinal));
        if (search == SearchKind.LastBlocks) Assert.Equal("block:3", result.Steps[0].Removed);
    }

    [Fact]
    public async Task What_the_gate_refuses_never_stands_at_the_output_path()
    {
        Model.WriteTo(Request.ModelPath);
        File.WriteAllText(Request.OutputPath, "an older lean model");
        var result = await PruneAsync(Request with { Gate = new GateThresholds { MaxMeanKl = 1e-9 } });
        Assert.Equal(PruneOutcome.Refused, result.Outcome);
        Assert.Null(result.OutputPath);
        Assert.Contains(result.Gate!.Checks, check => check.Name == Gate.MeanKl && !check.Passed);
        Assert.NotNull(result.Lean);
        Assert.Equal("an older lean model", File.ReadAllText(Request.OutputPath));
        Assert.Equal(["lean.gguf", "lean.gguf.report.html", "model.gguf"], Directory.GetFiles(_folder).Select(Path.GetFileName).Order());
    }

    /// <summary>Stopped at several places of the search, then started again: the same steps, distances and bytes, and no evaluation twice.</summary>
    [Fact]
    public async Task A_stopped_job_resumes_to_the_same_outcome()
    {
        Model.WriteTo(Request.ModelPath);
        var undisturbed = await PruneAsync(Request with { WorkFolder = Path.Combine(_folder, "undisturbed") });
        foreach (var after in new[] { 1, 4, 9 })
        {
            using var stop = new CancellationTokenSource();
            var stopped = await PruneAsync(Request, line => { if (line.Evaluations == after) stop.Cancel(); }, stop.Token);
            Assert.Equal(PruneOutcome.Interrupted, stopped.Outcome);
        }

        var lines = _progress.Count;
        var resumed = await PruneAsync(Request);
        Assert.Equal(undisturbed.Outcome, resumed.Outcome);
        Assert.Equal(undisturbed.Steps.Select(step => (step.Number, step.Removed, step.Distance, step.Bytes, step.Evaluations)), resumed.Steps.Select(step => (step.Number, step.Removed, step.Distance, step.Bytes, step.Evaluations)));
        Assert.Equal(undisturbed.Lean!.Sha256, resumed.Lean!.Sha256);
        Assert.Equal(undisturbed.Gate!.Checks, resumed.Gate!.Checks);
        Assert.All(_progress.Skip(lines).Where(line => line.Phase == PrunePhase.Search && line.Removed is null), line => Assert.True(line.Evaluations > 9));
    }

    [Fact]
    public async Task A_changed_job_is_refused_rather_than_resumed()
    {
        Model.WriteTo(Request.ModelPath);
        await PruneAsync(Request);
        var changed = await PruneAsync(Request with { Distance = DistanceKind.KullbackLeibler });
        Assert.Equal((PruneOutcome.Failed, JobErrorCodes.CheckpointMismatch), (changed.Outcome, changed.Error!.Code));
        (Model with { Seed = 32 }).WriteTo(Request.ModelPath);
        Assert.Equal(JobErrorCodes.CheckpointMismatch, (await PruneAsync(Request)).Error!.Code);
    }

    [Fact]
    public async Task Too_little_traffic_says_how_much_there_is_and_is_needed()
    {
        Model.WriteTo(Request.ModelPath);
        var result = await PruneAsync(Request with { MinTokens = 1000 });
        Assert.Equal(JobErrorCodes.TooFewTokens, result.Error!.Code);
        Assert.Contains("calibration set has 260 tokens in 5 conversations; 1000 tokens in 4 are needed", result.Error.Message, StringComparison.Ordinal);
    }

    /// <summary>Sublayers where the architecture has a lean form, whole blocks where not; either way proven against the mask.</summary>
    [Theory]
    [InlineData("qwen2", 0, "deci", 0.5)]
    [InlineData("phi3", 0, "deci", 0.5)]
    [InlineData("granite", 0, "granite", 0)]
    [InlineData("gemma3", 0, "gemma3", 0)]
    [InlineData("granite", 4, "granite", 0)]
    public async Task Other_architectures_are_pruned_too(string architecture, int experts, string lean, double tolerance)
    {
        (Model with { Architecture = architecture, Experts = experts, TiedOutput = architecture == "gemma3" }).WriteTo(Request.ModelPath);
        var result = await PruneAsync(Request);
        Assert.Null(result.Error);
        Assert.InRange(result.Gate!.MaskedFileMaxDifference, 0, tolerance);
        Assert.Equal(PruneOutcome.Passed, result.Outcome);
        using var written = GgufFile.Open(result.OutputPath!);
        Assert.Equal(lean, written.Model.Architecture);
        if (architecture == lean) Assert.All(result.Steps, step => Assert.StartsWith("block:", step.Removed, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_cannot_be_pruned_is_refused_by_name_with_the_reason()
    {
        GgufWriter.Write(Model.Plan().Set(GgufKeys.Architecture, "gemma3n"), Request.ModelPath);
        var error = (await PruneAsync(Request)).Error!;
        Assert.Equal(JobErrorCodes.UnsupportedModel, error.Code);
        Assert.Contains("gemma3n cannot be pruned: late blocks share the KV cache", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A model in several files gives the file that it gives in one.</summary>
    [Fact]
    public async Task A_split_model_is_pruned_like_a_whole_one()
    {
        Model.WriteTo(Request.ModelPath);
        var whole = await PruneAsync(Request);
        var shards = GgufSplitter.Write(Model.Plan(), Path.Combine(_folder, "split"), 300_000);
        Assert.True(shards.Count > 2);
        var split = await PruneAsync(Request with { ModelPath = shards[0].Path, OutputPath = Path.Combine(_folder, "lean2.gguf"), WorkFolder = Path.Combine(_folder, "work2") });
        Assert.Null(split.Error);
        Assert.Equal(whole.Removed, split.Removed);
        Assert.Equal(whole.Lean!.FileBytes, split.Lean!.FileBytes);
    }

    [Fact]
    public async Task Bad_values_bad_files_and_unreachable_budgets_are_told_apart()
    {
        Assert.Equal(JobErrorCodes.BadRequest, (await PruneAsync(Request with { Budget = new PruneBudget() })).Error!.Code);
        Assert.Equal(JobErrorCodes.BadModel, (await PruneAsync(Request)).Error!.Code);
        File.WriteAllText(Request.ModelPath, "no model");
        Assert.Equal(JobErrorCodes.BadModel, (await PruneAsync(Request)).Error!.Code);
        Model.WriteTo(Request.ModelPath);
        Assert.Equal(JobErrorCodes.BudgetUnreachable, (await PruneAsync(Request with { Budget = new PruneBudget(Sublayers: 8) })).Error!.Code);
        Assert.Equal(JobErrorCodes.BadRequest, (await PruneAsync(Request with { Keep = ["attn:7"] })).Error!.Code);
        Assert.Equal(JobErrorCodes.CannotWrite, (await PruneAsync(Request with { OutputPath = Path.Combine(_folder, "nowhere", "lean.gguf") })).Error!.Code);
    }

    [Fact]
    public async Task What_must_stay_stays()
    {
        Model.WriteTo(Request.ModelPath);
        var result = await PruneAsync(Request with { Keep = ["attn:0", "attn:1", "attn:2", "attn:3", "ffn:0"] });
        Assert.Equal(["ffn:1", "ffn:2", "ffn:3"], result.Removed);
    }

    private Task<PruneResult> PruneAsync(PruneRequest request, Action<PruneProgress>? seen = null, CancellationToken stop = default) =>
        _pruner.PruneAsync(request, new RandomTraffic(5, 50), new Listener(line =>
        {
            _progress.Add(line);
            seen?.Invoke(line);
        }), stop);
}
