using System.Collections.Immutable;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Jobs;
using FinerCut.Runtime.Native;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Jobs;

/// <summary>Budgets other than bytes, several at once, constraints, the leanest that passes; each on a real job of a tiny model.</summary>
public sealed class BudgetJobTests : IDisposable
{
    private static readonly TinyModel Model = new() { Seed = 33, Blocks = 4, Embedding = 128, Heads = 4, KvHeads = 2, FeedForward = 256, Weights = GgmlType.Q8_0 };

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-budget-").FullName;
    private readonly FinerCutPruner _pruner = new(NativeRuntime.Open(), TimeProvider.System);

    public BudgetJobTests() => Model.WriteTo(Request.ModelPath);

    private PruneRequest Request => new()
    {
        JobId = "job", ModelPath = Path.Combine(_folder, "model.gguf"), OutputPath = Path.Combine(_folder, "lean.gguf"), WorkFolder = Path.Combine(_folder, "work"),
        CalibrationPath = "calibration", HeldOutPath = "held-out", Budget = new PruneBudget(Fraction: 0.3), Gate = TinyJob.OpenGate, Threads = 1, MinTokens = 100, Healing = HealingKind.None, SlicesPerFfn = 4,
    };

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(SearchKind.RacingGreedy)]
    [InlineData(SearchKind.LazyGreedy)]
    [InlineData(SearchKind.Beam)]
    [InlineData(SearchKind.Evolutionary)]
    [InlineData(SearchKind.Paper)]
    [InlineData(SearchKind.OneShot)]
    public async Task Half_of_the_keys_and_values_go_of_the_file(SearchKind search)
    {
        var result = await PruneAsync(Request with { Search = search, Budget = new PruneBudget { KvFraction = 0.5 } });
        Assert.Null(result.Error);
        Assert.True(result.Lean!.KvBytesPerToken <= result.Full!.KvBytesPerToken / 2);
        var figure = Assert.Single(result.Budget);
        Assert.Equal(("kv_bytes", result.Full.KvBytesPerToken / 2.0), (figure.Name, figure.Asked));
        Assert.Equal(result.Full.KvBytesPerToken - result.Lean.KvBytesPerToken, (long)figure.Reached);
        Assert.Equal(result.Full.KvBytesPerToken - result.Lean.KvBytesPerToken, result.Steps.Sum(step => step.KvBytes));
    }

    /// <summary>What counts decides what goes: FFNs hold three quarters of this model's bytes and none of its keys and values.</summary>
    [Fact]
    public async Task A_search_for_keys_and_values_leaves_the_ffns()
    {
        var result = await PruneAsync(Request with { Budget = new PruneBudget { KvBytes = 256 }, Grains = [PruneGrain.Sublayer, PruneGrain.KvGroup] });
        Assert.All(result.Removed, name => Assert.StartsWith("attn:", name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Milliseconds_are_measured_once_and_several_budgets_are_all_reached()
    {
        var asked = Request with { Budget = new PruneBudget(Sublayers: 1, Fraction: 0.2) { DecodeFraction = 0.3, KvFraction = 0.25, DecodeContext = 40 }, Grains = PruneGrains };
        var result = await PruneAsync(asked);
        Assert.Null(result.Error);
        Assert.Equal(["sublayers", "bytes", "kv_bytes", "decode_ms"], result.Budget.Select(figure => figure.Name));
        Assert.All(result.Budget, figure => Assert.True(figure.Reached >= figure.Asked, figure.ToString()));
        Assert.Equal(40, result.Decode!.Context);
        Assert.True(result.Decode.FullMs > 0 && result.Decode.LeanMs > 0);
        Assert.Equal(result.Budget[^1].Reached, result.Steps.Sum(step => step.DecodeMs), 1e-9);

        // Times measured anew would be others: a job that is started again takes up the kept ones and removes the same.
        var again = await PruneAsync(asked);
        Assert.Equal(result.Budget, again.Budget);
        Assert.Equal(result.Lean!.Sha256, again.Lean!.Sha256);
    }

    [Theory]
    [InlineData(SublayerKind.Attention, "attn:")]
    [InlineData(SublayerKind.Ffn, "ffn:")]
    public async Task Only_one_kind_is_touched_where_only_that_may_be(SublayerKind only, string prefix)
    {
        var result = await PruneAsync(Request with { Budget = new PruneBudget(Fraction: 0.1), Only = only, Keep = [$"{prefix}0"] });
        Assert.Null(result.Error);
        Assert.NotEmpty(result.Removed);
        Assert.All(result.Removed, name => Assert.StartsWith(prefix, name, StringComparison.Ordinal));
        Assert.DoesNotContain(result.Removed, name => name == $"{prefix}0" || name.StartsWith($"{prefix}0/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Only_whole_blocks_go_where_only_those_may()
    {
        var result = await PruneAsync(Request with { Grains = [PruneGrain.Block] });
        Assert.All(result.Steps, step => Assert.All(step.Removed.Split(' '), name => Assert.StartsWith("block:", name, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task More_than_there_is_is_refused_with_what_there_is()
    {
        foreach (var (budget, only, told) in new[]
        {
            (new PruneBudget(Fraction: 0.9), (SublayerKind?)SublayerKind.Attention, "budget.bytes"),
            (new PruneBudget { KvBytes = 1_000_000 }, null, "budget.kv_bytes"),
            (new PruneBudget { KvFraction = 0.5 }, SublayerKind.Ffn, "budget.kv_bytes"),
            (new PruneBudget { DecodeMs = 10_000 }, null, "budget.decode_ms"),
            (new PruneBudget(Sublayers: 8), null, "budget.sublayers"),
        })
        {
            var result = await PruneAsync(Request with { Budget = budget, Only = only });
            Assert.Equal(JobErrorCodes.BudgetUnreachable, result.Error!.Code);
            Assert.Contains(told, result.Error.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>The limit lies between what little and what much costs: what is found passes on a half that it was not chosen on.</summary>
    [Fact]
    public async Task The_leanest_that_passes_is_chosen_on_one_half_and_proved_on_the_other()
    {
        var much = await PruneAsync(Request with { Budget = new PruneBudget(Fraction: 0.6), WorkFolder = Path.Combine(_folder, "much") });
        var kl = much.Gate!.Checks.First(check => check.Name == Gate.MeanKl).Value.Mean;
        var asked = Request with { Budget = new PruneBudget(Fraction: 0.6) { Leanest = true }, Gate = TinyJob.OpenGate with { MaxMeanKl = 0.5 * kl } };
        var result = await PruneAsync(asked);
        Assert.Null(result.Error);
        Assert.Equal(PruneOutcome.Passed, result.Outcome);
        Assert.True(result.Steps.Length < much.Steps.Length && result.Steps.Length > 0);
        Assert.Contains(result.Tries, tried => !tried.Proving && !tried.Passed);
        Assert.True(result.Tries[^1] is { Proving: true, Passed: true });
        Assert.InRange(result.Tries.Count(tried => tried.Proving), 1, LeanestPoint.Tries);
        Assert.Equal(result.Steps.Length, result.Tries[^1].Steps);
        Assert.Equal(4, result.Gate!.Conversations);
        Assert.Equal(new FileInfo(Request.OutputPath).Length, result.Lean!.FileBytes);
        Assert.Equal(result.Lean.Sha256, (await PruneAsync(asked)).Lean!.Sha256);
    }

    [Fact]
    public async Task Where_nothing_passes_the_least_is_judged_and_refused()
    {
        var result = await PruneAsync(Request with { Budget = new PruneBudget { Leanest = true }, Gate = TinyJob.OpenGate with { MaxMeanKl = 1e-9 }, Distance = DistanceKind.Norm });
        Assert.Equal(PruneOutcome.Refused, result.Outcome);
        Assert.False(result.Gate!.Passed);
        Assert.False(File.Exists(Request.OutputPath));
        Assert.All(result.Tries, tried => Assert.False(tried.Passed));
    }

    [Fact]
    public async Task The_leanest_needs_twice_as_many_held_out_conversations()
    {
        var result = await PruneAsync(Request with { Budget = new PruneBudget { Leanest = true }, MinTokens = 200 });
        Assert.Equal(JobErrorCodes.TooFewTokens, result.Error!.Code);
        Assert.Contains("400 tokens in 8 are needed", result.Error.Message, StringComparison.Ordinal);
    }

    /// <summary>Eight conversations of traffic, the rest up to the most is the model's own; the same when it is started again.</summary>
    [Fact]
    public async Task Calibration_is_topped_up_with_the_models_own_text()
    {
        var plain = await PruneAsync(Request with { WorkFolder = Path.Combine(_folder, "plain") });
        var asked = Request with { TopUp = true, MaxCalibrationTokens = 900 };
        var filled = await PruneAsync(asked);
        Assert.Null(filled.Error);
        Assert.InRange(filled.CalibrationTokens, 800, 1100);
        Assert.True(plain.CalibrationTokens < 500);
        Assert.Equal(plain.HeldOutTokens, filled.HeldOutTokens);
        Assert.Equal(filled.Lean!.Sha256, (await PruneAsync(asked)).Lean!.Sha256);
    }

    [Fact]
    public async Task Answers_alone_may_count_and_too_few_of_them_are_told()
    {
        var result = await PruneAsync(Request with { DistanceTokens = DistanceTokens.Answers, Distance = DistanceKind.TopKKullbackLeibler, TopK = 16 });
        Assert.Null(result.Error);
        Assert.Contains(result.Notes, note => note.Contains("16 most likely tokens", StringComparison.Ordinal));
        var few = await PruneAsync(Request with { DistanceTokens = DistanceTokens.Answers, MinTokens = 300, WorkFolder = Path.Combine(_folder, "few") });
        Assert.Equal(JobErrorCodes.TooFewTokens, few.Error!.Code);
        Assert.Contains("tokens of answers; 300 are needed", few.Error.Message, StringComparison.Ordinal);
    }

    private static readonly ImmutableArray<PruneGrain> PruneGrains = [PruneGrain.Sublayer, PruneGrain.KvGroup, PruneGrain.FfnSlice];

    private Task<PruneResult> PruneAsync(PruneRequest request) => _pruner.PruneAsync(request, new RandomTraffic(8, 40), new Listener(), CancellationToken.None);
}
