using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Rewriting;

public class PackingRewriterTests
{
    private static readonly TinyModel Model = new() { Seed = 41, Blocks = 4, Embedding = 128, Heads = 4, KvHeads = 2, FeedForward = 256, Weights = GgmlType.Q4_0 };

    [Theory]
    [InlineData("attn:1", "0-0 n-1 2-2 3-3")]
    [InlineData("ffn:1", "0-0 1-n 2-2 3-3")]
    [InlineData("ffn:0 attn:1", "0-1 2-2 3-3")]
    [InlineData("attn:0 ffn:3", "n-0 1-1 2-2 3-n")]
    [InlineData("ffn:0 ffn:1 attn:2 attn:3 ffn:2", "0-n 1-3")]
    public void Kept_sublayers_are_packed_in_their_order(string removed, string packed)
    {
        var mask = CutMask.None(Landscape()).With(removed.Split(' ').Select(name => Sublayer.TryParse(name, out var sublayer) ? sublayer : default));
        Assert.Equal(packed, string.Join(' ', PackedBlock.Pack(mask).Select(block => $"{block.Attention?.ToString() ?? "n"}-{block.Ffn?.ToString() ?? "n"}")));
    }

    [Fact]
    public void Counts_are_arrays_a_block_and_kept_data_is_untouched()
    {
        using var bench = Workbench.Tiny(Model);
        var units = FileUnits.Fine(bench.File.Model, bench.Shape, slices: 4);
        var mask = CutMask.None(units).With([new(1, SublayerKind.Attention), new(2, SublayerKind.Ffn)]).With(new Unit(new(0, SublayerKind.Attention), 1)).With(new Unit(new(3, SublayerKind.Ffn), 2));
        using var lean = GgufFile.Open(bench.Rewrite(mask));
        Assert.Equal("deci", lean.Model.Architecture);
        Assert.Equal([2, 0, 4, 4], lean.Model.GetInt32s("deci.attention.head_count", 4));
        Assert.Equal([1, 0, 2, 2], lean.Model.GetInt32s("deci.attention.head_count_kv", 4));
        Assert.Equal([256, 256, 1, 192], lean.Model.GetInt32s("deci.feed_forward_length", 4));
        Assert.Equal(32, lean.Model.GetInt32("deci.attention.key_length"));
        Assert.DoesNotContain(lean.Model.KeyValues, keyValue => keyValue.Key.StartsWith("llama.", StringComparison.Ordinal));
        Assert.True(bench.File.Data(bench.File.Model.GetTensor("blk.1.ffn_up.weight")).SequenceEqual(lean.Data(lean.Model.GetTensor("blk.1.ffn_up.weight"))));
        Assert.Equal([128L, 192L], lean.Model.GetTensor("blk.3.ffn_gate.weight").Shape);
        Assert.Equal([192L, 128L], lean.Model.GetTensor("blk.3.ffn_down.weight").Shape);
        Assert.Equal([64L, 128L], lean.Model.GetTensor("blk.0.attn_output.weight").Shape);
    }

    /// <summary>What the costs promise is what the file saves, stand-ins for missing sublayers aside.</summary>
    [Fact]
    public void Costs_are_the_bytes_that_the_file_saves()
    {
        using var bench = Workbench.Tiny(Model with { Biases = true });
        var units = FileUnits.Fine(bench.File.Model, bench.Shape, slices: 4);
        var costs = FileUnits.Costs(bench.File.Model, units);
        Assert.Equal(bench.Shape.Sublayers().Sum(bench.Shape.BytesOf), costs.Bytes(CutMask.Of(units, Enumerable.Range(0, units.Count))));
        foreach (var mask in new[] { CutMask.Of(units, [1]), CutMask.Of(units, [3, 4]), CutMask.None(units).With([new(1, SublayerKind.Attention)]), CutMask.None(units).With([new(2, SublayerKind.Attention), new(2, SublayerKind.Ffn)]) })
        {
            using var lean = GgufFile.Open(bench.Rewrite(mask));
            Assert.Equal(costs.Bytes(mask), bench.Shape.TensorBytes - lean.Model.Tensors.Sum(tensor => tensor.ByteCount));
        }
    }

    [Fact]
    public void Groups_that_end_inside_a_block_are_merged_into_one_unit()
    {
        // 4 KV heads with 2 heads of 32 each: 64 columns a group, 256 a block of Q4_K.
        using var quantised = Workbench.Tiny(Model with { Weights = GgmlType.Q4_K, Embedding = 256, Heads = 8, KvHeads = 4, FeedForward = 512 });
        var units = FileUnits.Fine(quantised.File.Model, quantised.Shape, slices: 4);
        Assert.Equal([0, 1, 2, 3], units.Parts[0].Single());
        Assert.Equal((256, 2), (units.ChannelBlock, units.Parts[1].Length));
        var blocks = quantised.Shape.Blocks.Length;
        Assert.Equal($"Units end where quantisation blocks end. KV-head groups of {blocks} attentions are merged. {blocks} FFNs have 2 slices instead of 4.", FileUnits.Merged(units, Moves.AllGrains, 4));
        Assert.Null(FileUnits.Merged(units, [PruneGrain.Sublayer], 4));
        using var fine = Workbench.Tiny(Model);
        Assert.Null(FileUnits.Merged(FileUnits.Fine(fine.File.Model, fine.Shape, 4), Moves.AllGrains, 4));
        Assert.Equal((32, 2, 4), (FileUnits.ChannelBlock(fine.File.Model, fine.Shape), FileUnits.Fine(fine.File.Model, fine.Shape, 4).Parts[0].Length, FileUnits.Fine(fine.File.Model, fine.Shape, 4).Parts[1].Length));
    }

    [Fact]
    public void Nothing_left_is_refused()
    {
        using var bench = Workbench.Tiny(Model);
        var units = UnitMap.Sublayers(bench.Shape);
        Assert.Throws<UnsupportedModelException>(() => bench.Rewrite(CutMask.Of(units, Enumerable.Range(0, units.Count))));
    }

    [Fact]
    public void Architectures_without_a_rewriter_are_refused_by_name()
    {
        var refused = Assert.Throws<UnsupportedModelException>(() => Rewriters.For("clip"));
        Assert.Contains("clip", refused.Message, StringComparison.Ordinal);
        Assert.Contains("supported: afmoe", refused.Message, StringComparison.Ordinal);
        Assert.Contains("KV cache", Assert.Throws<UnsupportedModelException>(() => Rewriters.For("gemma3n")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_and_arrays_that_are_not_known_are_refused_by_name()
    {
        var folder = Directory.CreateTempSubdirectory("finercut-rewrite-").FullName;
        try
        {
            var path = Path.Combine(folder, "odd.gguf");
            GgufWriter.Write(Model.Plan().Add(GgufTensorPlan.Floats("blk.1.surprise.weight", [4], [1, 2, 3, 4])), path);
            using (var odd = GgufFile.Open(path)) Assert.Contains("surprise.weight", Assert.Throws<UnsupportedModelException>(() => ModelShapeReader.Read(odd.Model)).Message, StringComparison.Ordinal);

            GgufWriter.Write(Model.Plan().Set("llama.surprise", GgufValue.ArrayOf<uint>(1, 2, 3, 4)), path);
            using var array = GgufFile.Open(path);
            var units = UnitMap.Sublayers(ModelShapeReader.Read(array.Model));
            var refused = Assert.Throws<UnsupportedModelException>(() => Rewriters.For("llama").Plan(array, CutMask.None(units).With(1), new Provenance("", [], [], "")));
            Assert.Contains("llama.surprise", refused.Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static UnitMap Landscape() => Searches.Landscape.Map(4);
}
