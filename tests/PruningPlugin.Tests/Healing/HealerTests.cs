using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Shapes;
using FinerCut.TestModels;
using static FinerCut.Pruning.Tests.Healing.HealedFiles;

namespace FinerCut.Pruning.Tests.Healing;

public sealed class HealerTests : IDisposable
{
    private static readonly TinyModel Plain = new() { Seed = 41, Blocks = 4, Embedding = 64, Heads = 4, KvHeads = 2, HeadSize = 64, FeedForward = 192, Weights = GgmlType.F32 };
    private static readonly HealingOptions Refit = new(ProjectionHealing.Weights, 0, true, Workbench.Threads);

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-heal-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>An attention over one token is linear in the normed stream; an FFN with a constant gate is so everywhere.</summary>
    [Theory]
    [InlineData("attn:2")]
    [InlineData("ffn:1")]
    public void A_planted_linear_sublayer_is_recovered(string removed)
    {
        using var bench = Workbench.Tiny(Plain with { Biases = true }, edit =>
        {
            edit.Replace("blk.1.ffn_gate.weight", GgufTensorPlan.Floats("blk.1.ffn_gate.weight", [64, 192], new float[64 * 192]));
            edit.Replace("blk.1.ffn_gate.bias", GgufTensorPlan.Floats("blk.1.ffn_gate.bias", [192], [.. Enumerable.Repeat(1.2784645f, 192)]));
        });
        var set = removed == "attn:2" ? bench.RandomTokens(1, [.. Enumerable.Repeat(1, 250)]) : bench.RandomTokens(1, 100, 90, 80, 70, 60);
        var mask = MaskOf(bench, removed);
        var options = new HealingOptions(ProjectionHealing.None, 64, false, Workbench.Threads) { Penalties = [1e-9], Price = 0 };
        var healed = Heal(bench, mask, set, options);
        var site = Assert.Single(healed.Sites);
        Assert.Equal(64, site.Rank);
        Assert.InRange(site.Left, -1e-4, 1e-4);

        // What is left is the rounding of its Q8_0 matrices.
        var judged = removed == "attn:2" ? bench.RandomTokens(2, [.. Enumerable.Repeat(1, 60)]) : bench.RandomTokens(2, 50, 40);
        var without = Kl(bench, mask, HealedModel.None, judged);
        var with = MeanKl(Workbench.FileLogits(bench.Path, judged), Workbench.FileLogits(Write(bench, mask, healed), judged));
        Assert.True(with < 0.002 * without, $"{with} against {without}");
    }

    /// <summary>F32: the file computes what the simulation did.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_refitted_file_computes_what_was_simulated(bool biased)
    {
        using var bench = Workbench.Tiny(Plain with { Biases = biased });
        var mask = MaskOf(bench, "attn:1", "attn:2/kv1", "ffn:2/slice0");
        var healed = Heal(bench, mask, TextsFor(bench), Refit);
        Assert.Contains(healed.Projections, projection => projection is { Weights.Length: > 0, Left: < 1 });
        var judged = bench.RandomTokens(7, 40, 25);
        var path = Write(bench, mask, healed);
        var difference = Workbench.MaxDifference(Logits(bench, mask, healed, judged), Workbench.FileLogits(path, judged));
        Assert.InRange(difference, 0, 2e-4);
        Assert.True(Workbench.MaxDifference(bench.MaskedLogits(judged, mask), Workbench.FileLogits(path, judged)) > 100 * difference);
        using var lean = GgufFile.Open(path);
        Assert.Equal("deci", lean.Model.Architecture);
        Assert.Equal(healed.Summary, lean.Model.Get("finercut.healed").GetTexts());
        Assert.Empty(GgufCheck.Check(path).Defects);
    }

    /// <summary>Sites are stored in 8 bits, which the CPU multiplies with activations rounded to 8 bits: close, not equal.</summary>
    [Theory]
    [InlineData(GgmlType.F32)]
    [InlineData(GgmlType.Q8_0)]
    [InlineData(GgmlType.Q4_1)]
    public void A_healed_file_is_as_close_to_its_simulation_as_rounding_allows(GgmlType weights)
    {
        using var bench = Workbench.Tiny(Plain with { Weights = weights });
        var mask = MaskOf(bench, "attn:0", "ffn:1", "attn:2", "ffn:3/slice1");
        var healed = Heal(bench, mask, TextsFor(bench), Refit with { MaxRank = 64, Price = 0 });
        Assert.NotEmpty(healed.Sites);
        var judged = bench.RandomTokens(7, 40, 25);
        var (simulated, file, masked) = (Logits(bench, mask, healed, judged), Workbench.FileLogits(Write(bench, mask, healed), judged), bench.MaskedLogits(judged, mask));
        var (noise, healing) = (MeanKl(simulated, file), MeanKl(simulated, masked));
        Assert.True(noise < 0.003 * healing, $"KL of the file from its simulation {noise}, of the mask without healing {healing}");
    }

    [Fact]
    public void Healing_brings_a_pruned_model_nearer_to_the_full_one()
    {
        using var bench = Workbench.Tiny(Plain with { Weights = GgmlType.Q4_1, Seed = 43 });
        var mask = MaskOf(bench, "attn:1", "ffn:2/slice0");
        var judged = bench.RandomTokens(9, 60, 60);
        var without = Kl(bench, mask, HealedModel.None, judged);
        var constant = Kl(bench, mask, Heal(bench, mask, TextsFor(bench), Refit with { Projections = ProjectionHealing.Biases }), judged);
        var refit = Kl(bench, mask, Heal(bench, mask, TextsFor(bench), Refit), judged);
        Assert.True(constant < without, $"constant {constant}, without {without}");
        Assert.True(refit < 0.95 * without, $"refit {refit}, without {without}");
    }

    [Fact]
    public void An_interrupted_healing_goes_on_to_the_same_model()
    {
        using var bench = Workbench.Tiny(Plain with { Weights = GgmlType.Q8_0 });
        var mask = MaskOf(bench, "attn:1", "ffn:2");
        var options = Refit with { MaxRank = 32, Price = 0 };
        var whole = Heal(bench, mask, TextsFor(bench), options);
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => new Healer(bench.Model, GgufShards.Of(bench.File), mask, options).Heal(
            TextsFor(bench), new HealingJournal(_folder, "same"), (done, _) => { if (done == 3) stop.Cancel(); }, stop.Token));
        Assert.Equal(3, Directory.GetFiles(_folder).Length);
        var times = Directory.GetFiles(_folder).ToDictionary(path => path, File.GetLastWriteTimeUtc);
        var resumed = Heal(bench, mask, TextsFor(bench), options, new HealingJournal(_folder, "same"));
        Assert.Equal(Bytes(Write(bench, mask, whole)), Bytes(Write(bench, mask, resumed)));

        // Fits of another job are not taken.
        var other = Heal(bench, mask, bench.RandomTokens(99, 100, 90, 80, 70, 60), options, new HealingJournal(_folder, "other"));
        Assert.NotEqual(Bytes(Write(bench, mask, whole)), Bytes(Write(bench, mask, other)));
    }

    private static byte[] Bytes(string path) => File.ReadAllBytes(path);

    private string Write(Workbench bench, CutMask mask, HealedModel healed) => HealedFiles.Write(bench, mask, healed, _folder);
}
