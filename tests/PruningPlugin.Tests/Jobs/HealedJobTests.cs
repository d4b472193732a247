using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Tests.Healing;
using FinerCut.Runtime.Native;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Jobs;

public sealed class HealedJobTests : IDisposable
{
    private static readonly TinyModel Model = new() { Seed = 31, Blocks = 4, Embedding = 128, Heads = 4, KvHeads = 2, FeedForward = 512, Weights = GgmlType.Q8_0 };

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-pruner-").FullName;
    private readonly FinerCutPruner _pruner = new(NativeRuntime.Open(), TimeProvider.System);

    private PruneRequest Request => new()
    {
        JobId = "job", ModelPath = Path.Combine(_folder, "model.gguf"), OutputPath = Path.Combine(_folder, "lean.gguf"), WorkFolder = Path.Combine(_folder, "work"),
        CalibrationPath = "calibration", HeldOutPath = "held-out", Budget = new PruneBudget(Fraction: 0.3), Threads = 1, MinTokens = 100, MaxHealingTokens = 800,
        Gate = TinyJob.OpenGate,
    };

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(HealingKind.Constant)]
    [InlineData(HealingKind.LowRank)]
    [InlineData(HealingKind.Linear)]
    [InlineData(HealingKind.Refit)]
    [InlineData(HealingKind.Auto)]
    public async Task A_healed_job_removes_what_was_asked_and_says_what_was_healed(HealingKind kind)
    {
        Model.WriteTo(Request.ModelPath);
        var lines = new List<PruneProgress>();
        var result = await PruneAsync(Request with { Healing = kind, Search = SearchKind.RacingGreedy }, lines.Add);
        Assert.Null(result.Error);
        Assert.Equal(PruneOutcome.Passed, result.Outcome);
        Assert.Contains(lines, line => line.Phase == PrunePhase.Healing);
        Assert.All(lines.SkipWhile(line => line.Evaluations == 0), line => Assert.True(line.EtaSeconds >= 0, $"{line.Phase} does not say when the job will end"));
        var check = Assert.Single(result.Gate!.Checks, check => check.Name == Gate.HealedFileKl);
        Assert.True(check.Passed, $"{check.Value.Mean}");
        Assert.DoesNotContain(result.Gate.Checks, check => check.Name == Gate.MaskedFileDifference);
        Assert.NotEmpty(result.Healed);
        Assert.True(result.CalibrationKl!.Mean > 0, "nothing is said of the calibration set");
        Assert.Equal(result.Healed, result.HealingGains.Select(gain => gain.Name));
        Assert.All(result.HealingGains, gain => Assert.InRange(gain.Left, 0, 1));
        Assert.Equal(result.HealingBytes, result.HealingGains.Sum(gain => gain.Bytes));
        Assert.True(result.UnhealedKl!.Mean > 0, "nothing is said of the cut before it was healed");
        if (kind == HealingKind.Refit) Assert.Contains(result.Healed, line => line.EndsWith(" refit", StringComparison.Ordinal));
        if (kind is HealingKind.LowRank or HealingKind.Linear or HealingKind.Auto) Assert.Contains(result.Healed, line => line.Contains(" rank ", StringComparison.Ordinal) || line.EndsWith(" linear", StringComparison.Ordinal));
        using var full = GgufFile.Open(Request.ModelPath);
        using var lean = GgufFile.Open(Request.OutputPath);
        Assert.Equal(result.Healed, lean.Model.Get("finercut.healed").GetTexts());

        // Bytes of the blocks, healing's own counted; what stands in for missing sublayers in deci (norms of ones) is not the mask's to save.
        long Blocks(GgufFile file) => file.Model.Tensors.Where(tensor => tensor.Name.StartsWith("blk.", StringComparison.Ordinal)).Sum(tensor => tensor.ByteCount);
        var standIns = 8 * 4 * 4 * 128 * sizeof(float);
        Assert.True(Blocks(lean) <= (0.7 * Blocks(full)) + standIns, $"{Blocks(lean)} of {Blocks(full)} bytes are left");
    }

    [Theory]
    [InlineData(HealingKind.Linear)]
    [InlineData(HealingKind.Auto)]
    [InlineData(HealingKind.LowRank)]
    public async Task Where_an_attention_was_linear_a_linear_one_stands_in_its_place(HealingKind kind)
    {
        var model = Model with { Embedding = 64, HeadSize = 64, FeedForward = 192, Weights = GgmlType.F32 };
        var plan = model.Plan();
        HealedFiles.PlantLinear(plan, 2, model);
        GgufWriter.Write(plan, Request.ModelPath);
        var result = await PruneAsync(Request with { Budget = new PruneBudget(Sublayers: 1), Keep = ["attn:0", "attn:1", "attn:3"], Only = SublayerKind.Attention, Search = SearchKind.RacingGreedy, Healing = kind });
        Assert.Null(result.Error);
        Assert.Equal(PruneOutcome.Passed, result.Outcome);
        Assert.True(Assert.Single(result.Gate!.Checks, check => check.Name == Gate.HealedFileKl).Passed);
        Assert.Equal(kind != HealingKind.LowRank, result.Healed.Contains("attn:2 linear"));
        Assert.Equal(result.Full!.KvBytesPerToken * 3 / 4, result.Lean!.KvBytesPerToken);
        using var lean = GgufFile.Open(Request.OutputPath);
        Assert.Equal(result.Healed, lean.Model.Get("finercut.healed").GetTexts());
        if (kind != HealingKind.LowRank) Assert.Equal([2, 2, 0, 2], lean.Model.GetInt32s("deci.attention.head_count_kv", 4));
    }

    /// <summary>Single channels go, in every type whose blocks they are cut from: the file is the mask healed, and loads.</summary>
    [Theory]
    [InlineData(GgmlType.Q4_0)]
    [InlineData(GgmlType.Q4_1)]
    [InlineData(GgmlType.Q5_0)]
    [InlineData(GgmlType.Q5_1)]
    [InlineData(GgmlType.Q8_0)]
    [InlineData(GgmlType.F16)]
    [InlineData(GgmlType.F32)]
    public async Task The_surgeon_takes_single_channels_of_any_type(GgmlType type)
    {
        (Model with { Weights = type }).WriteTo(Request.ModelPath);
        var result = await PruneAsync(Request with { Budget = new PruneBudget(Fraction: 0.25), Search = SearchKind.Surgeon, SlicesPerFfn = 8 });
        Assert.Null(result.Error);
        Assert.Equal(PruneOutcome.Passed, result.Outcome);
        var check = Assert.Single(result.Gate!.Checks, check => check.Name == Gate.HealedFileKl);
        Assert.True(check.Passed, $"{check.Value.Mean}");
        Assert.Equal(8, result.Evaluations);
        using var full = GgufFile.Open(Request.ModelPath);
        using var lean = GgufFile.Open(Request.OutputPath);
        Assert.Equal("surgeon/kullback_leibler", lean.Model.Get("finercut.method").GetText());
        long Blocks(GgufFile file) => file.Model.Tensors.Where(tensor => tensor.Name.StartsWith("blk.", StringComparison.Ordinal)).Sum(tensor => tensor.ByteCount);
        Assert.InRange(Blocks(lean) / (double)Blocks(full), 0.68, 0.76);
        var widths = lean.Model.GetInt32s("deci.feed_forward_length", 4);
        Assert.Contains(widths, width => width is < 512 and > 1);
        Assert.All(lean.Model.Tensors.Where(tensor => tensor.Name.EndsWith("ffn_down.weight", StringComparison.Ordinal)), tensor => Assert.Equal(type, tensor.Type));
    }

    /// <summary>Bytes do not count, nor do parts: as many whole sublayers go as were asked for, and the model is healed.</summary>
    [Fact]
    public async Task A_budget_of_sublayers_is_the_surgeons_as_well()
    {
        Model.WriteTo(Request.ModelPath);
        var result = await PruneAsync(Request with { Budget = new PruneBudget(Sublayers: 3) });
        Assert.Null(result.Error);
        Assert.Equal(PruneOutcome.Passed, result.Outcome);
        Assert.Equal(3, result.Removed.Length);
        Assert.All(result.Removed, name => Assert.DoesNotContain('/', name));
        Assert.Equal(new BudgetFigure("sublayers", 3, 3), Assert.Single(result.Budget));
        Assert.Equal(5, result.Lean!.Sublayers);
        Assert.NotEmpty(result.Healed);
        using var lean = GgufFile.Open(Request.OutputPath);
        Assert.Equal("surgeon/kullback_leibler", lean.Model.Get("finercut.method").GetText());
    }

    /// <summary>The surgeon looks at general text beside the traffic, unless only answers count; other searches do not wait for it.</summary>
    [Theory]
    [InlineData(SearchKind.Surgeon, DistanceTokens.All, true)]
    [InlineData(SearchKind.Surgeon, DistanceTokens.Answers, false)]
    [InlineData(SearchKind.RacingGreedy, DistanceTokens.All, false)]
    public async Task General_text_is_written_before_the_search_where_the_surgeon_looks_at_it(SearchKind search, DistanceTokens tokens, bool before)
    {
        Model.WriteTo(Request.ModelPath);
        var phases = new List<PrunePhase>();
        var result = await PruneAsync(Request with { Search = search, DistanceTokens = tokens }, line => phases.Add(line.Phase));
        Assert.Null(result.Error);
        PrunePhase[] first = before ? [PrunePhase.Loading, PrunePhase.Texts] : [PrunePhase.Loading];
        Assert.Equal(
            [.. first, PrunePhase.Reference, PrunePhase.Search, PrunePhase.Healing, PrunePhase.Writing, PrunePhase.Verifying, PrunePhase.Gate, PrunePhase.Measuring, PrunePhase.Done],
            phases.Where((phase, at) => at == 0 || phase != phases[at - 1]));
        Assert.True(File.Exists(Path.Combine(Request.WorkFolder, "general-text.json")));
    }

    /// <summary>Which channels the surgeon's units hold follows from all of the traffic, the end of it included.</summary>
    [Fact]
    public async Task The_surgeon_does_not_take_up_scores_of_other_traffic()
    {
        Model.WriteTo(Request.ModelPath);
        var request = Request with { Search = SearchKind.Surgeon };
        using var stop = new CancellationTokenSource();
        var stopped = await PruneAsync(request, line => { if (line.Phase == PrunePhase.Search && line.Evaluations > 4) stop.Cancel(); }, stop: stop.Token);
        Assert.Equal(PruneOutcome.Interrupted, stopped.Outcome);
        Assert.Equal("checkpoint_mismatch", (await PruneAsync(request, traffic: new RandomTraffic(8, 50, lastOfCalibration: 7))).Error?.Code);
        Assert.Null((await PruneAsync(request)).Error);
    }

    /// <summary>K-quants have blocks of 256 channels: FFN widths stay multiples of that.</summary>
    [Theory]
    [InlineData(GgmlType.Q4_K)]
    [InlineData(GgmlType.Q6_K)]
    public async Task The_surgeon_keeps_to_the_blocks_of_k_quants(GgmlType type)
    {
        (Model with { Weights = type, Embedding = 256, FeedForward = 1024, Blocks = 3 }).WriteTo(Request.ModelPath);
        var result = await PruneAsync(Request with { Budget = new PruneBudget(Fraction: 0.25), Grains = [PruneGrain.FfnSlice], Search = SearchKind.Surgeon });
        Assert.Null(result.Error);
        Assert.Equal(PruneOutcome.Passed, result.Outcome);
        using var lean = GgufFile.Open(Request.OutputPath);
        Assert.Contains(lean.Model.GetInt32s("deci.feed_forward_length", 3), width => width is < 1024 and > 1);
        Assert.All(lean.Model.GetInt32s("deci.feed_forward_length", 3), width => Assert.True(width == 1 || width % 256 == 0));
        Assert.Contains(result.Notes, note => note.Contains("3 FFNs have 4 slices instead of 24.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_surgeon_says_why_it_cannot_be_had_and_otherwise_races_are_run()
    {
        Model.WriteTo(Request.ModelPath);
        var asked = await PruneAsync(Request with { Search = SearchKind.Surgeon, Healing = HealingKind.None });
        Assert.Equal("bad_request", asked.Error?.Code);
        Assert.Contains("racing_greedy", asked.Error!.Message, StringComparison.Ordinal);
        var left = await PruneAsync(Request with { Healing = HealingKind.None });
        Assert.Null(left.Error);
        Assert.Contains(left.Notes, note => note.StartsWith("Searched by races", StringComparison.Ordinal));
        Assert.Contains(left.Gate!.Checks, check => check.Name == Gate.MaskedFileDifference);
    }

    [Fact]
    public async Task A_job_stopped_while_it_heals_goes_on_to_the_same_file()
    {
        Model.WriteTo(Request.ModelPath);
        var undisturbed = await PruneAsync(Request with { WorkFolder = Path.Combine(_folder, "undisturbed") });
        foreach (var after in new[] { 0, 100, 102 })
        {
            using var stop = new CancellationTokenSource();
            var stopped = await PruneAsync(Request, line => { if (line.Phase == PrunePhase.Healing && line.Step >= after) stop.Cancel(); }, stop: stop.Token);
            Assert.Equal(PruneOutcome.Interrupted, stopped.Outcome);
        }

        Assert.NotEmpty(Directory.GetFiles(Path.Combine(Request.WorkFolder, "healing")));
        var resumed = await PruneAsync(Request);
        Assert.Equal(undisturbed.Lean!.Sha256, resumed.Lean!.Sha256);
        Assert.Equal(undisturbed.Gate!.Checks, resumed.Gate!.Checks);
        Assert.Equal(undisturbed.Healed, resumed.Healed);
    }

    [Fact]
    public async Task Models_that_are_not_written_as_deci_are_pruned_without_healing()
    {
        (Model with { Architecture = "qwen3", TiedOutput = true }).WriteTo(Request.ModelPath);
        var result = await PruneAsync(Request with { Budget = new PruneBudget(Sublayers: 2) });
        Assert.Null(result.Error);
        Assert.Empty(result.Healed);
        Assert.Contains(result.Gate!.Checks, check => check.Name == Gate.MaskedFileDifference);
    }

    private Task<PruneResult> PruneAsync(PruneRequest request, Action<PruneProgress>? seen = null, RandomTraffic? traffic = null, CancellationToken stop = default) =>
        _pruner.PruneAsync(request, traffic ?? new RandomTraffic(8, 50), new Listener(seen), stop);
}
