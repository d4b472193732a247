using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Shapes;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Rewriting;

/// <summary>Whole blocks left out of architectures whose blocks are alike, and of lean files themselves.</summary>
public sealed class BlockRewriterTests : IDisposable
{
    private static readonly TinyModel Model = new() { Seed = 71, Blocks = 4, Embedding = 128, Heads = 4, KvHeads = 2, FeedForward = 256 };

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-blocks-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>A lean file has per-layer arrays: cut again, they have one value a block that is left.</summary>
    [Theory]
    [InlineData("llama", "deci")]
    [InlineData("qwen3", "openelm")]
    [InlineData("qwen3", "step35")]
    public void A_lean_file_can_lose_blocks_again(string architecture, string lean)
    {
        using var full = Workbench.Tiny(Model with { Architecture = architecture, TiedOutput = lean != "step35", Blocks = 5 });
        var units = FileUnits.Fine(full.File.Model, full.Shape, 4);
        var once = full.Rewrite(CutMask.None(units).With(new Unit(new(0, SublayerKind.Attention), 1)).With([new(2, SublayerKind.Attention), new(4, SublayerKind.Ffn)]));
        var moved = Path.Combine(_folder, "once.gguf");
        File.Move(once, moved);
        using var bench = Workbench.At(moved);
        Assert.False(bench.Shape.SublayersAlone);
        var set = bench.RandomTokens(5, 40, 20);
        foreach (var block in new[] { 1, 3 })
        {
            var mask = CutMask.None(FileUnits.Sublayers(bench.File.Model, bench.Shape)).With([.. bench.Shape.Sublayers().Where(sublayer => sublayer.Block == block)]);
            var path = bench.Rewrite(mask);
            using var twice = GgufFile.Open(path);
            Assert.Equal(lean, twice.Model.Architecture);
            Assert.Equal([.. bench.File.Model.GetInt32s($"{lean}.attention.head_count", 5).Where((_, index) => index != block)], twice.Model.GetInt32s($"{lean}.attention.head_count", 4));
            Assert.Equal(0, Workbench.MaxDifference(bench.MaskedLogits(set, mask), Workbench.FileLogits(path, set)));
        }
    }

    /// <summary>Block 5 of 13 attends globally; without block 1 it is block 4, which llama.cpp would give a window.</summary>
    [Fact]
    public void A_periodic_pattern_is_written_down_and_moves_with_its_blocks()
    {
        using var bench = Workbench.Tiny(Model with { Architecture = "gemma3", TiedOutput = true, Blocks = 13 });
        using var lean = GgufFile.Open(bench.Rewrite(Without(bench, 1)));
        var pattern = lean.Model.Get("gemma3.attention.sliding_window_pattern").GetElements<bool>().ToArray();
        Assert.Equal([4, 10], Enumerable.Range(0, 12).Where(block => !pattern[block]));
        Assert.Equal(12, lean.Model.GetInt32("gemma3.block_count"));
    }

    [Fact]
    public void Blocks_that_differ_by_number_alone_go_in_whole_periods_only()
    {
        using var bench = Workbench.Tiny(Model with { Architecture = "smollm3", Blocks = 9 });
        var refused = Assert.Throws<UnsupportedModelException>(() => bench.Rewrite(Without(bench, 1)));
        Assert.Contains("Block 3 would become block 2, but every 4th block of a smollm3 model is of another kind", refused.Message, StringComparison.Ordinal);
        var set = bench.RandomTokens(6, 40);
        foreach (var mask in new[] { Without(bench, 8), Without(bench, 2, 3, 4, 5) })
        {
            Assert.Equal(0, Workbench.MaxDifference(bench.MaskedLogits(set, mask), Workbench.FileLogits(bench.Rewrite(mask), set)));
        }
    }

    [Theory]
    [InlineData("gemma2", 46, "with 46 blocks cannot be pruned")]
    [InlineData("exaone4", 64, "with 64 blocks cannot be pruned")]
    [InlineData("gemma4", 4, "share the KV cache")]
    [InlineData("t5", 4, "is no decoder, or not known to this version")]
    public void What_llama_cpp_takes_from_the_number_of_blocks_is_refused(string architecture, int blocks, string says)
    {
        var path = (Model with { Architecture = architecture, Blocks = blocks, Embedding = 32, FeedForward = 32 }).WriteTo(Path.Combine(_folder, "a.gguf"));
        using var file = GgufFile.Open(path);
        Assert.Contains(says, Assert.Throws<UnsupportedModelException>(() => ModelShapeReader.Read(file.Model)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("qwen3vl", "n_deepstack_layers", 2u, 1, "first 2 blocks")]
    [InlineData("rwkv7", "n", 0u, 0, "first 1 blocks")]
    [InlineData("llama4", "interleave_moe_layer_step", 2u, 0, "every 4th block")]
    [InlineData("ernie4_5-moe", "interleave_moe_layer_step", 2u, 1, "every 2th block")]
    public void Blocks_that_are_addressed_by_number_stay(string architecture, string key, uint value, int block, string says)
    {
        var (file, mask) = Plain(architecture, plan => plan.Set($"{architecture}.{key}", value), block);
        using (file) Assert.Contains(says, Assert.Throws<UnsupportedModelException>(() => Rewriters.For(architecture).Plan(file, mask, Nothing)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Counts_of_leading_and_predicting_blocks_follow()
    {
        var (file, mask) = Plain("glm4moe", plan => plan.Set("glm4moe.leading_dense_block_count", 2u).Set("glm4moe.nextn_predict_layers", 1u), 1);
        using var opened = file;
        var edit = Rewriters.For("glm4moe").Plan(file, mask, Nothing);
        Assert.Equal((1u, 1u, 3u), (edit.Find("glm4moe.leading_dense_block_count")!.Get<uint>(), edit.Find("glm4moe.nextn_predict_layers")!.Get<uint>(), edit.Find("glm4moe.block_count")!.Get<uint>()));

        // The last block predicts further tokens: it is no part of the stream, and moves along.
        Assert.DoesNotContain(mask.Units.Shape.Sublayers(), sublayer => sublayer.Block == 3);
        Assert.NotNull(edit.FindTensor("blk.2.attn_norm.weight"));
        Assert.Equal(file.Model.GetTensor("blk.3.attn_norm.weight").ByteCount, edit.FindTensor("blk.2.attn_norm.weight")!.Content.Length);
    }

    [Fact]
    public void The_last_block_with_a_window_stays()
    {
        using var bench = Workbench.Tiny(Model with { Architecture = "gemma3", TiedOutput = true, Blocks = 6 });
        Assert.Contains("Keep one of them", Assert.Throws<UnsupportedModelException>(() => bench.Rewrite(Without(bench, 0, 1, 2, 3, 4))).Message, StringComparison.Ordinal);
    }

    private static Provenance Nothing => new("", [], [], "");

    private static CutMask Without(Workbench bench, params int[] blocks) => CutMask.None(FileUnits.Sublayers(bench.File.Model, bench.Shape)).With(bench.Shape.Sublayers().Where(sublayer => blocks.Contains(sublayer.Block)));

    /// <summary>A file that says it is of the architecture; its tensors are llama's, which planning does not mind.</summary>
    private (GgufFile File, CutMask Mask) Plain(string architecture, Action<GgufEdit> change, int block)
    {
        var plan = (Model with { Architecture = architecture }).Plan();
        change(plan);
        var path = Path.Combine(_folder, "plain.gguf");
        GgufWriter.Write(plan, path);
        var file = GgufFile.Open(path);
        var shape = ModelShapeReader.Read(file.Model);
        return (file, CutMask.None(FileUnits.Sublayers(file.Model, shape)).With(shape.Sublayers().Where(sublayer => sublayer.Block == block)));
    }
}
