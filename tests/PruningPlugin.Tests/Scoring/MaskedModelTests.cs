using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Shapes;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Scoring;

/// <summary>The contract between scorer and rewriter: same mask, same bits.</summary>
public class MaskedModelTests
{
    private static readonly TinyModel[] Models =
    [
        new() { Seed = 11, Blocks = 5, Embedding = 128, Heads = 4, KvHeads = 2, FeedForward = 256, Weights = GgmlType.Q4_1, TiedOutput = true },
        new() { Seed = 12, Blocks = 4, Embedding = 128, Heads = 6, KvHeads = 3, HeadSize = 32, FeedForward = 320, Weights = GgmlType.Q8_0, Biases = true, RopeFreqs = true },
        new() { Seed = 13, Blocks = 4, Embedding = 128, Heads = 4, KvHeads = 4, HeadSize = 64, FeedForward = 256, Weights = GgmlType.F32, Tokenizer = TinyTokenizer.Spm },
        new() { Seed = 14, Blocks = 4, Embedding = 256, Heads = 8, KvHeads = 4, FeedForward = 768, Weights = GgmlType.Q4_K },
        new() { Seed = 15, Blocks = 4, Embedding = 128, Heads = 4, KvHeads = 2, HeadSize = 64, FeedForward = 192, Weights = GgmlType.F16 },
    ];

    [Fact]
    public void An_empty_mask_changes_no_bit()
    {
        using var bench = Workbench.Tiny(Models[0]);
        var set = bench.RandomTokens(1, 40, 17, 90);
        var masked = bench.MaskedLogits(set, CutMask.None(UnitMap.Sublayers(bench.Shape)));
        Assert.Equal(0, Workbench.MaxDifference(masked, Workbench.FileLogits(bench.Path, set)));
    }

    /// <summary>Four masks a model: sublayers, KV-head groups, FFN slices, and all mixed; 20 in all.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void A_masked_model_and_its_file_agree_bit_by_bit(int model)
    {
        using var bench = Workbench.Tiny(Models[model]);
        var units = FileUnits.Fine(bench.File.Model, bench.Shape, slices: 4);
        var set = bench.RandomTokens(2, 50, 9, 70, 31);
        var full = bench.MaskedLogits(set, CutMask.None(units));
        for (var grain = 0; grain < 4; grain++)
        {
            var mask = RandomMask(units, (100 * model) + grain, grain);
            var masked = bench.MaskedLogits(set, mask);
            Assert.True(Workbench.MaxDifference(masked, full) > 1e-3, $"{mask} changed nothing");
            var difference = Workbench.MaxDifference(masked, Workbench.FileLogits(bench.Rewrite(mask), set));
            Assert.True(difference == 0, $"model {model}, mask {mask}: largest difference {difference}");
        }
    }

    /// <summary>Every other block of channels: more ranges than are zeroed one by one.</summary>
    [Fact]
    public void Channels_all_over_a_row_are_gone_bit_by_bit()
    {
        using var bench = Workbench.Tiny(Models[0] with { FeedForward = 768 });
        var whole = UnitMap.Sublayers(bench.Shape);
        var units = new UnitMap(bench.Shape, 32, [.. whole.Parts.Select((parts, order) => order % 2 == 0 ? parts : [[.. Enumerable.Range(0, 12).Select(at => 2 * at)], [.. Enumerable.Range(0, 12).Select(at => (2 * at) + 1)]])]);
        var set = bench.RandomTokens(5, 50, 20);
        var mask = CutMask.Of(units, [units.IndexOf(new Unit(new Sublayer(1, SublayerKind.Ffn), 0)), units.IndexOf(new Unit(new Sublayer(3, SublayerKind.Ffn), 1))]);
        var masked = bench.MaskedLogits(set, mask);
        Assert.True(Workbench.MaxDifference(masked, bench.MaskedLogits(set, CutMask.None(units))) > 1e-3, "the mask changed nothing");
        Assert.Equal(0, Workbench.MaxDifference(masked, Workbench.FileLogits(bench.Rewrite(mask), set)));
    }

    [Fact]
    public void The_first_attention_may_go_and_the_head_length_stays_known()
    {
        using var bench = Workbench.Tiny(Models[1]);
        var units = UnitMap.Sublayers(bench.Shape);
        var set = bench.RandomTokens(3, 40);
        foreach (var removed in new[] { "attn:0", "attn:0 ffn:0 ffn:1", "attn:0 attn:1 attn:2 attn:3", "ffn:0 ffn:1 ffn:2 ffn:3" })
        {
            Sublayer[] gone = [.. removed.Split(' ').Select(name => Sublayer.TryParse(name, out var sublayer) ? sublayer : default)];
            var mask = CutMask.Of(units, gone);
            var path = bench.Rewrite(mask);
            Assert.Equal(0, Workbench.MaxDifference(bench.MaskedLogits(set, mask), Workbench.FileLogits(path, set)));
        }
    }

    [Fact]
    public void Whole_blocks_removed_leave_a_llama_file()
    {
        using var bench = Workbench.Tiny(Models[0]);
        var set = bench.RandomTokens(4, 40);
        var mask = CutMask.None(UnitMap.Sublayers(bench.Shape)).With([new(1, SublayerKind.Attention), new(1, SublayerKind.Ffn), new(2, SublayerKind.Ffn), new(3, SublayerKind.Attention)]);
        var path = bench.Rewrite(mask);
        using var lean = GgufFile.Open(path);
        Assert.Equal("llama", lean.Model.Architecture);
        Assert.Equal(3, lean.Model.GetInt32("llama.block_count"));
        Assert.Equal(0, Workbench.MaxDifference(bench.MaskedLogits(set, mask), Workbench.FileLogits(path, set)));
    }

    [Fact]
    public void The_real_model_and_its_files_agree_bit_by_bit()
    {
        using var bench = Workbench.SmolLm();
        var units = FileUnits.Fine(bench.File.Model, bench.Shape, slices: 4);
        var set = bench.RandomTokens(5, 24, 9);
        foreach (var grain in new[] { 0, 3 })
        {
            var mask = RandomMask(units, 50 + grain, grain);
            var path = bench.Rewrite(mask);
            var difference = Workbench.MaxDifference(bench.MaskedLogits(set, mask), Workbench.FileLogits(path, set));
            Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
            Assert.True(difference == 0, $"mask {mask}: largest difference {difference}");
        }
    }

    internal static CutMask RandomMask(UnitMap units, int seed, int grain)
    {
        var random = new Random(seed);
        var mask = CutMask.None(units);
        while (mask.IsEmpty || mask.Count == units.Count)
        {
            mask = CutMask.None(units);
            foreach (var sublayer in units.Shape.Sublayers())
            {
                if (grain is 0 or 3 && random.Next(3) == 0) mask = mask.With(sublayer);
                var (start, end) = units.RangeOf(sublayer);
                if (grain == 3 || grain == (sublayer.Kind == SublayerKind.Attention ? 1 : 2))
                {
                    for (var unit = start; unit < end; unit++) mask = random.Next(3) == 0 ? mask.With(unit) : mask;
                }
            }
        }

        return mask;
    }
}
