using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Healing;
using FinerCut.TestModels;
using static FinerCut.Pruning.Tests.Healing.HealedFiles;

namespace FinerCut.Pruning.Tests.Healing;

public sealed class LinearSiteTests : IDisposable
{
    private static readonly TinyModel Plain = new() { Seed = 41, Blocks = 4, Embedding = 64, Heads = 4, KvHeads = 2, HeadSize = 64, FeedForward = 192, Weights = GgmlType.F32 };
    private static readonly HealingOptions Options = new(ProjectionHealing.None, 64, false, Workbench.Threads) { Linear = true, Penalties = [1e-7], Price = 0.1 };

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-heal-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>A rank as high as the width could stand there as well, for more bytes.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void A_planted_linear_attention_is_recovered_as_one_that_llama_knows(int block)
    {
        using var bench = Planted(block);
        var mask = MaskOf(bench, $"attn:{block}");
        var healed = Heal(bench, mask, TextsFor(bench), Options);
        var site = Assert.IsType<LinearSite>(Assert.Single(healed.Sites));
        Assert.InRange(site.Left, -1e-4, 1e-4);
        Assert.Equal([$"attn:{block} linear"], healed.Summary);
        Assert.Equal((64 * 64 / 32 * 34) + (64 * 4), healed.Bytes);

        // What is left is the rounding of its Q8_0 matrix.
        var judged = bench.RandomTokens(2, 50, 40);
        var path = Write(bench, mask, healed, _folder);
        var without = Kl(bench, mask, HealedModel.None, judged);
        var with = MeanKl(Workbench.FileLogits(bench.Path, judged), Workbench.FileLogits(path, judged));
        Assert.True(with < 0.002 * without, $"{with} against {without}");

        // It shares its block with the FFN that follows.
        using var lean = GgufFile.Open(path);
        Assert.Equal("deci", lean.Model.Architecture);
        Assert.Equal(4, lean.Model.GetInt32("deci.block_count"));
        Assert.Equal([4, 4, 4, 4], lean.Model.GetInt32s("deci.attention.head_count", 4));
        Assert.Equal([.. Enumerable.Range(0, 4).Select(at => at == block ? 0 : 2)], lean.Model.GetInt32s("deci.attention.head_count_kv", 4));
        Assert.Equal([192, 192, 192, 192], lean.Model.GetInt32s("deci.feed_forward_length", 4));
        Assert.Equal(
            ["attn_norm.weight", "attn_output.weight", "ffn_down.weight", "ffn_gate.weight", "ffn_norm.weight", "ffn_up.weight"],
            lean.Model.Tensors.Select(tensor => tensor.Name).Where(name => name.StartsWith($"blk.{block}.", StringComparison.Ordinal)).Select(name => name[6..]).Order(StringComparer.Ordinal));
        Assert.Equal(GgmlType.Q8_0, lean.Model.GetTensor($"blk.{block}.attn_output.weight").Type);
        Assert.Equal(healed.Summary, lean.Model.Get("finercut.healed").GetTexts());
        Assert.Empty(GgufCheck.Check(path).Defects);
    }

    /// <summary>Wherever they stand: first, before a kept attention, after one whose FFN is gone, between maps of low rank, and where no attention is left.</summary>
    [Theory]
    [InlineData(64, "attn:1")]
    [InlineData(80, "attn:1")]
    [InlineData(64, "attn:0", "ffn:0")]
    [InlineData(64, "ffn:1", "attn:2", "ffn:2")]
    [InlineData(64, "ffn:0", "attn:1", "attn:3", "ffn:3")]
    [InlineData(64, "attn:0", "attn:1", "attn:2", "attn:3")]
    public void A_file_with_linear_attention_computes_what_was_simulated(int width, params string[] removed)
    {
        using var bench = Workbench.Tiny(Plain with { Embedding = width });
        var mask = MaskOf(bench, removed);
        var random = new Random(5);
        float[] Values(int count, double scale) => [.. Enumerable.Range(0, count).Select(_ => (float)(scale * (random.NextDouble() - 0.5)))];
        float[] norm = [.. Values(width, 0.5).Select(value => 1 + value)];
        var healed = new HealedModel([], [.. bench.Shape.Sublayers().Where(mask.IsGone).Select(sublayer => sublayer.Kind == SublayerKind.Attention
            ? (HealingSite)LinearSite.Of(sublayer, norm, Values(width * width, 0.5), 0)
            : LowRankSite.Of(sublayer, norm, Values(width * 32, 0.5), Values(32 * width, 0.5), Values(width, 0.1), 0))]);
        var judged = bench.RandomTokens(7, 40, 25);
        var path = Write(bench, mask, healed, _folder);
        var (simulated, file, masked) = (Logits(bench, mask, healed, judged), Workbench.FileLogits(path, judged), bench.MaskedLogits(judged, mask));
        var (noise, healing) = (MeanKl(simulated, file), MeanKl(simulated, masked));
        Assert.True(noise < 0.003 * healing, $"KL of the file from its simulation {noise}, of the mask without healing {healing}");
        Assert.Empty(GgufCheck.Check(path).Defects);
        using var lean = GgufFile.Open(path);
        Assert.Equal(width % 32 == 0 ? GgmlType.Q8_0 : GgmlType.F16, lean.Model.Tensors.Where(tensor => tensor.Name.EndsWith("attn_output.weight", StringComparison.Ordinal)).Select(tensor => tensor.Type).Except([GgmlType.F32, GgmlType.Q4_0]).Single());
    }

    [Fact]
    public void Only_where_it_is_asked_for_and_only_of_attention()
    {
        using var bench = Planted(2);
        Assert.IsType<LowRankSite>(Assert.Single(Heal(bench, MaskOf(bench, "attn:2"), TextsFor(bench), Options with { Linear = false }).Sites));
        using var ofFfn = Workbench.Tiny(Plain with { Biases = true }, edit =>
        {
            // Its gate is one: linear through the origin too.
            edit.Replace("blk.1.ffn_gate.weight", GgufTensorPlan.Floats("blk.1.ffn_gate.weight", [64, 192], new float[64 * 192]));
            edit.Replace("blk.1.ffn_gate.bias", GgufTensorPlan.Floats("blk.1.ffn_gate.bias", [192], [.. Enumerable.Repeat(1.2784645f, 192)]));
            edit.Replace("blk.1.ffn_up.bias", GgufTensorPlan.Floats("blk.1.ffn_up.bias", [192], new float[192]));
            edit.Replace("blk.1.ffn_down.bias", GgufTensorPlan.Floats("blk.1.ffn_down.bias", [64], new float[64]));
        });
        Assert.IsType<LowRankSite>(Assert.Single(Heal(ofFfn, MaskOf(ofFfn, "ffn:1"), TextsFor(ofFfn), Options).Sites));
    }

    /// <summary>Fits of the journal are taken whatever is healed on, so that the same file can come of them alone.</summary>
    [Fact]
    public void An_interrupted_healing_goes_on_to_the_same_model()
    {
        using var bench = Planted(2);
        var mask = MaskOf(bench, "attn:2", "attn:3");
        var whole = Heal(bench, mask, TextsFor(bench), Options, new HealingJournal(_folder, "same"));
        Assert.Contains(whole.Sites, site => site is LinearSite);
        var others = bench.RandomTokens(99, 100, 90, 80, 70, 60);
        var resumed = Heal(bench, mask, others, Options, new HealingJournal(_folder, "same"));
        Assert.Equal(File.ReadAllBytes(Write(bench, mask, whole, _folder)), File.ReadAllBytes(Write(bench, mask, resumed, _folder)));
        var other = Heal(bench, mask, others, Options, new HealingJournal(_folder, "other"));
        Assert.NotEqual(File.ReadAllBytes(Write(bench, mask, whole, _folder)), File.ReadAllBytes(Write(bench, mask, other, _folder)));
    }

    private static Workbench Planted(int block) => Workbench.Tiny(Plain, edit => PlantLinear(edit, block, Plain));
}
