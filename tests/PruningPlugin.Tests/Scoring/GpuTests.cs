using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Shapes;
using FinerCut.Pruning.Tests.Jobs;
using FinerCut.Runtime.Native;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Scoring;

/// <summary>
/// Masks where natives drive a GPU, wholly, in part and not at all. .ci/run builds them with Vulkan's natives and lets them drive a software device; a GPU that is one serves as well.
/// </summary>
public class GpuTests
{
    private static readonly TinyModel Model = new() { Seed = 41, Blocks = 4, Embedding = 128, Heads = 4, KvHeads = 2, FeedForward = 256, Weights = GgmlType.Q8_0 };

    /// <summary>FINERCUT_GPU says that there is one: natives that do not find it must not pass for none.</summary>
    public GpuTests() => Assert.SkipUnless(
        NativeRuntime.Open().Info.SupportsGpu || Environment.GetEnvironmentVariable("FINERCUT_GPU") is not null, "The natives drive no GPU (docs/runtimes.md: LlamaBackend).");

    /// <summary>Without layers of its own a GPU has no part in it, though a batch is long enough for one to be asked to help (op_offload): the same bits as ever.</summary>
    [Theory]
    [InlineData(0, 0)]
    [InlineData(3, 0.05)]
    [InlineData(-1, 0.05)]
    public void A_masked_model_is_its_file(int layers, double tolerance)
    {
        using var bench = Workbench.Tiny(Model, gpuLayers: layers);
        var units = FileUnits.Fine(bench.File.Model, bench.Shape, slices: 4);
        var set = bench.RandomTokens(2, 50, 9, 70, 31);
        var full = bench.MaskedLogits(set, CutMask.None(units));
        Assert.InRange(Workbench.MaxDifference(full, Workbench.FileLogits(bench.Path, set, layers)), 0, tolerance);
        Assert.Equal(layers != 0, bench.Model.Info.IsOnGpu);
        // Another processor rounds otherwise: so it was one.
        Assert.Equal(layers != 0, Workbench.MaxDifference(full, Workbench.FileLogits(bench.Path, set)) > 0);
        for (var grain = 0; grain < 4; grain++)
        {
            var mask = MaskedModelTests.RandomMask(units, 300 + grain, grain);
            var masked = bench.MaskedLogits(set, mask);
            var difference = Workbench.MaxDifference(masked, Workbench.FileLogits(bench.Rewrite(mask), set, layers));
            TestContext.Current.TestOutputHelper!.WriteLine($"{layers} layers, {mask}: {difference:G3} to the file, {Workbench.MaxDifference(masked, full):G3} to the full model");
            Assert.True(Workbench.MaxDifference(masked, full) > 4 * Math.Max(tolerance, 1e-3), $"{mask} changed next to nothing");
            Assert.InRange(difference, 0, tolerance);
        }
    }

    /// <summary>
    /// Where the backend changes, a copy of more than 128 KiB is only written down, and made with the next group (ggml_backend_vk_cpy_tensor_async): what is put into a copy's place before that is lost.
    /// </summary>
    [Fact]
    public void What_is_gone_before_the_backend_changes_stays_gone_in_large_decodes()
    {
        using var bench = Workbench.Tiny(Model with { Embedding = 512, Heads = 8, KvHeads = 4, FeedForward = 512 }, gpuLayers: 3);
        var units = UnitMap.Sublayers(bench.Shape);
        var set = bench.RandomTokens(6, 128, 128);
        var full = bench.MaskedLogits(set, CutMask.None(units));
        foreach (var gone in (Sublayer[])[new(1, SublayerKind.Ffn), new(1, SublayerKind.Attention), new(2, SublayerKind.Attention)])
        {
            var mask = CutMask.None(units).With(gone);
            var masked = bench.MaskedLogits(set, mask, afterFull: true);
            Assert.True(Workbench.MaxDifference(masked, full) > 0.2, $"{gone} changed next to nothing");
            Assert.InRange(Workbench.MaxDifference(masked, Workbench.FileLogits(bench.Rewrite(mask), set, 3)), 0, 0.05);
            using var whole = Scorer(bench, units, set, 0);
            using var kept = Scorer(bench, units, set, 1 << 30);
            kept.Rebase(mask, CancellationToken.None);
            var more = mask.With(new Sublayer(2, SublayerKind.Ffn));
            var (expected, found) = (whole.Score([more], 1, CancellationToken.None)[0], kept.Score([more], 1, CancellationToken.None)[0]);
            Assert.InRange(found, expected * 0.999, expected * 1.001);
        }
    }

    /// <summary>States are read from where they were computed, and put back there, on either side of the place where the backend changes.</summary>
    [Theory]
    [InlineData(3)]
    [InlineData(-1)]
    public void Kept_states_change_a_score_by_no_more_than_rounding(int layers)
    {
        using var bench = Workbench.Tiny(Model, gpuLayers: layers);
        var units = FileUnits.Fine(bench.File.Model, bench.Shape, slices: 4);
        var set = bench.RandomTokens(1, 40, 11, 64, 30);
        double[] Scores(long stateBytes)
        {
            using var scorer = Scorer(bench, units, set, stateBytes);
            var mask = CutMask.None(units);
            var scores = new List<double>();
            foreach (var block in Enumerable.Range(0, 4))
            {
                mask = mask.With(new Sublayer(block, block % 2 == 0 ? SublayerKind.Ffn : SublayerKind.Attention));
                scores.AddRange(scorer.Score([mask, mask.With(units.Count - 1)], 1, CancellationToken.None));
                scorer.Rebase(mask, CancellationToken.None);
            }

            return [.. scores];
        }

        var (whole, kept) = (Scores(0), Scores(1 << 30));
        Assert.True(whole.Distinct().Count() > 4 && whole.All(score => score > 0));
        Assert.All(whole.Zip(kept), pair => Assert.InRange(pair.Second, pair.First * 0.999, pair.First * 1.001));
    }

    /// <summary>A whole job with the defaults, generation and healing included, and one that heals nothing.</summary>
    [Theory]
    [InlineData(3, HealingKind.Auto, Gate.HealedFileKl)]
    [InlineData(-1, HealingKind.Auto, Gate.HealedFileKl)]
    [InlineData(3, HealingKind.None, Gate.MaskedFileKl)]
    public async Task A_job_ends_with_a_file_that_is_what_was_scored(int layers, HealingKind healing, string check)
    {
        var folder = Directory.CreateTempSubdirectory("finercut-gpu-").FullName;
        try
        {
            var request = new PruneRequest
            {
                JobId = "job", ModelPath = Path.Combine(folder, "model.gguf"), OutputPath = Path.Combine(folder, "lean.gguf"), WorkFolder = Path.Combine(folder, "work"),
                CalibrationPath = "calibration", HeldOutPath = "held-out", Budget = new PruneBudget(Fraction: 0.1), Healing = healing, MaxHealingTokens = 200, MinTokens = 100, Threads = 1, GpuLayers = layers,
                Gate = TinyJob.OpenGate,
            };
            Model.WriteTo(request.ModelPath);
            var result = await new FinerCutPruner(NativeRuntime.Open(), TimeProvider.System).PruneAsync(request, new RandomTraffic(5, 50), new Listener(), TestContext.Current.CancellationToken);
            Assert.Null(result.Error);
            Assert.Equal(PruneOutcome.Passed, result.Outcome);
            Assert.Equal(healing == HealingKind.None, result.Healed.IsEmpty);
            Assert.Contains(result.Gate!.Checks, found => found.Name == check && found.Passed);
            TestContext.Current.TestOutputHelper!.WriteLine($"{layers} layers, healing {healing}: {string.Join(", ", result.Gate.Checks.Select(found => $"{found.Name} {found.Value.Mean:G3}"))}; mask and file {result.Gate.MaskedFileMaxDifference:G3}");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static GraphMaskScorer Scorer(Workbench bench, UnitMap units, CalibrationSet set, long stateBytes) => GraphMaskScorer.Create(
        bench.Model, units, set, DistanceKind.JensenShannon, new ScoringOptions(Workbench.Threads, StateBytes: stateBytes), (_, _) => { }, CancellationToken.None);
}
