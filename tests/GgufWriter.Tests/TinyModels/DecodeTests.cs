using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.TestModels;

namespace FinerCut.Gguf.Tests.TinyModels;

/// <summary>Every tiny model is loaded and decoded by llama.cpp itself, and found sound by our check before.</summary>
public sealed class DecodeTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public static TheoryData<string> Names => [.. Models.Keys];

    private static Dictionary<string, TinyModel> Models { get; } = new()
    {
        ["llama"] = new(),
        ["llama, everything optional"] = new() { TiedOutput = true, Tokenizer = TinyTokenizer.Spm, RopeFreqs = true, Biases = true, HeadSize = 32 },
        ["llama, experts"] = new() { Experts = 4 },
        ["llama f16"] = new() { Weights = GgmlType.F16 },
        ["llama bf16"] = new() { Weights = GgmlType.BF16 },
        ["llama q8_0"] = new() { Weights = GgmlType.Q8_0 },
        ["llama q4_0"] = new() { Weights = GgmlType.Q4_0 },
        ["llama q4_1"] = new() { Weights = GgmlType.Q4_1 },
        ["llama q5_0"] = new() { Weights = GgmlType.Q5_0 },
        ["llama q5_1"] = new() { Weights = GgmlType.Q5_1 },
        ["llama q4_K"] = new() { Weights = GgmlType.Q4_K, Embedding = 256, FeedForward = 512, Blocks = 2 },
        ["llama q5_K"] = new() { Weights = GgmlType.Q5_K, Embedding = 256, FeedForward = 512, Blocks = 2 },
        ["llama q6_K"] = new() { Weights = GgmlType.Q6_K, Embedding = 256, FeedForward = 512, Blocks = 2 },
        ["qwen2"] = new() { Architecture = "qwen2" },
        ["qwen3, tied"] = new() { Architecture = "qwen3", TiedOutput = true, HeadSize = 32 },
        ["mistral3"] = new() { Architecture = "mistral3", HeadSize = 32 },
        ["granite"] = new() { Architecture = "granite", TiedOutput = true },
        ["granite, experts"] = new() { Architecture = "granite", Experts = 4 },
        ["qwen3moe"] = new() { Architecture = "qwen3moe", Experts = 4, HeadSize = 32 },
        ["gemma3"] = new() { Architecture = "gemma3", TiedOutput = true, Blocks = 8 },
        ["phi3"] = new() { Architecture = "phi3" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void Loads_and_gives_lively_logits(string name)
    {
        var path = Models[name].WriteTo(_folder["m.gguf"]);
        Assert.Empty(GgufCheck.Check(path).Defects);
        using var model = NativeRuntime.Open().Load(new() { Path = path }, null, TestContext.Current.CancellationToken);
        using var session = model.Open(new() { ContextLength = 128, BatchSize = 64 });
        var tokens = model.Vocabulary.Tokenize("Hello the world and 3 others", addSpecial: true, parseSpecial: false);
        var batch = new TokenBatch(64);
        for (var i = 0; i < tokens.Length; i++) batch.Add(tokens[i], i, 0, logits: i == tokens.Length - 1);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        var logits = session.Logits(tokens.Length - 1).ToArray();
        Assert.Equal(model.Vocabulary.Count, logits.Length);
        Assert.All(logits, logit => Assert.True(float.IsFinite(logit)));
        Assert.InRange(logits.Max() - logits.Min(), 0.5f, 100f);
    }
}
