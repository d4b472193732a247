using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Shapes;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Scoring;

/// <summary>The contract between scorer and rewriter for every family: the file computes what the masked model computes.</summary>
public class ArchitectureTests
{
    private static readonly TinyModel Small = new() { Blocks = 4, Embedding = 128, Heads = 4, KvHeads = 2, FeedForward = 256 };

    private static Dictionary<string, (TinyModel Model, string Lean)> Models { get; } = new()
    {
        ["mistral3"] = (Small with { Seed = 51, Architecture = "mistral3", HeadSize = 64, Weights = GgmlType.Q4_0 }, "deci"),
        ["qwen2"] = (Small with { Seed = 52, Architecture = "qwen2", Weights = GgmlType.F32 }, "deci"),
        ["qwen2 q8_0"] = (Small with { Seed = 53, Architecture = "qwen2", Weights = GgmlType.Q8_0, TiedOutput = true }, "deci"),
        ["qwen3"] = (Small with { Seed = 54, Architecture = "qwen3", Weights = GgmlType.Q8_0, HeadSize = 64, TiedOutput = true }, "openelm"),
        ["qwen3 f16"] = (Small with { Seed = 55, Architecture = "qwen3", Weights = GgmlType.F16, HeadSize = 64, TiedOutput = true }, "openelm"),
        ["phi3"] = (Small with { Seed = 56, Architecture = "phi3", Weights = GgmlType.F32 }, "deci"),
        ["phi3 q4_0"] = (Small with { Seed = 57, Architecture = "phi3", Weights = GgmlType.Q4_0 }, "deci"),
        ["llama, experts"] = (Small with { Seed = 58, Experts = 4, Weights = GgmlType.Q8_0 }, "step35"),
        ["llama, experts f32"] = (Small with { Seed = 59, Experts = 4 }, "step35"),
        ["granite"] = (Small with { Seed = 60, Architecture = "granite", Weights = GgmlType.Q4_1, TiedOutput = true }, "granite"),
        ["granite, experts"] = (Small with { Seed = 61, Architecture = "granite", Experts = 4 }, "granite"),
        ["qwen3, untied"] = (Small with { Seed = 62, Architecture = "qwen3", HeadSize = 64 }, "step35"),
        ["qwen3, untied q4_0"] = (Small with { Seed = 64, Architecture = "qwen3", HeadSize = 64, Weights = GgmlType.Q4_0 }, "step35"),
        ["qwen3moe"] = (Small with { Seed = 65, Architecture = "qwen3moe", HeadSize = 64, Experts = 4, Weights = GgmlType.Q8_0 }, "step35"),
        ["llama, experts, tied"] = (Small with { Seed = 66, Experts = 4, TiedOutput = true }, "llama"),
        ["minicpm"] = (Small with { Seed = 67, Architecture = "minicpm" }, "minicpm"),
        ["gemma3"] = (Small with { Seed = 63, Architecture = "gemma3", Blocks = 13, TiedOutput = true }, "gemma3"),
    };

    public static TheoryData<string> Names => [.. Models.Keys];

    /// <summary>Bit by bit where nothing is reordered; where heads are, within what the rewriter says, and far from the unmasked model.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void A_masked_model_and_its_file_agree(string name)
    {
        using var bench = Workbench.Tiny(Models[name].Model);
        var units = FileUnits.Fine(bench.File.Model, bench.Shape, slices: 4);
        var set = bench.RandomTokens(2, 50, 9, 70, 31);
        var full = bench.MaskedLogits(set, CutMask.None(units));
        Assert.Equal(0, Workbench.MaxDifference(full, Workbench.FileLogits(bench.Path, set)));
        var spread = full.Max(row => row.Max() - row.Min());
        for (var seed = 0; seed < 5; seed++)
        {
            var mask = RandomMask(units, seed);
            var masked = bench.MaskedLogits(set, mask);
            var path = bench.Rewrite(mask);
            using var lean = GgufFile.Open(path);
            Assert.Empty(GgufCheck.Check(path).Defects);
            var difference = Workbench.MaxDifference(masked, Workbench.FileLogits(path, set));
            var tolerance = Rewriters.ToleranceOf(bench.File.Model, lean.Model.Architecture!);
            TestContext.Current.SendDiagnosticMessage($"{name}, {mask}: {lean.Model.Architecture}, difference {difference}, to the full model {Workbench.MaxDifference(masked, full)}, spread {spread}");
            Assert.True(Workbench.MaxDifference(masked, full) > 4 * tolerance, $"{mask} changed too little to tell");
            // Without 8-bit activations only the order of sums is left.
            if (Models[name].Model.Weights == GgmlType.F32) tolerance = Math.Min(tolerance, 1e-3);
            Assert.True(difference <= tolerance, $"{name}, {mask}: largest difference {difference}, allowed {tolerance}");
            Assert.Equal(seed == 0 ? Models[name].Model.Architecture : Models[name].Lean, lean.Model.Architecture);
        }
    }

    /// <summary>Seed 0 whole blocks; else blocks, and where the model allows it sublayers and units.</summary>
    private static CutMask RandomMask(UnitMap units, int seed)
    {
        var random = new Random(seed);
        var mask = CutMask.None(units);
        var shape = units.Shape;
        for (var block = 0; block < shape.Blocks.Length; block++)
        {
            var (attention, ffn) = (new Sublayer(block, SublayerKind.Attention), new Sublayer(block, SublayerKind.Ffn));
            if (block == (seed + 1) % shape.Blocks.Length)
            {
                mask = mask.With([attention, ffn]);
                continue;
            }

            if (seed == 0) continue;
            if (shape.SublayersAlone && (block == seed % 4 || random.Next(3) == 0)) mask = Without(mask, attention, random);
            if (shape.SublayersAlone && random.Next(3) == 0) mask = Without(mask, ffn, random);
        }

        return mask;
    }

    private static CutMask Without(CutMask mask, Sublayer sublayer, Random random)
    {
        var (start, end) = mask.Units.RangeOf(sublayer);
        return random.Next(2) == 0 || end - start < 2 ? mask.With(sublayer) : mask.With(random.Next(start, end));
    }
}
