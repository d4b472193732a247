using FinerCut.TestModels;

namespace FinerCut.Gguf.Tests.TinyModels;

public sealed class TinyModelTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_same_options_give_the_same_bytes_and_another_seed_others()
    {
        var a = File.ReadAllBytes(new TinyModel { Seed = 5 }.WriteTo(_folder["a.gguf"]));
        Assert.Equal(a, File.ReadAllBytes(new TinyModel { Seed = 5 }.WriteTo(_folder["b.gguf"])));
        Assert.NotEqual(a, File.ReadAllBytes(new TinyModel { Seed = 6 }.WriteTo(_folder["c.gguf"])));
    }

    [Theory]
    [InlineData("llama", GgmlType.Q4_0, 64, 128)]
    [InlineData("llama", GgmlType.Q6_K, 256, 512)]
    [InlineData("phi3", GgmlType.Q8_0, 64, 128)]
    [InlineData("qwen3", GgmlType.F16, 64, 128)]
    public void Shapes_are_as_asked(string architecture, GgmlType type, int embedding, int feedForward)
    {
        new TinyModel { Architecture = architecture, Weights = type, Embedding = embedding, FeedForward = feedForward }.WriteTo(_folder["a.gguf"]);
        using var file = GgufFile.Open(_folder["a.gguf"]);
        Assert.Equal(architecture, file.Model.Architecture);
        Assert.Equal(4, file.Model.GetInt32($"{architecture}.block_count"));
        Assert.Equal([feedForward, embedding], file.Model.GetTensor("blk.3.ffn_down.weight").Shape);
        Assert.Equal(type, file.Model.GetTensor("blk.3.ffn_down.weight").Type);
        Assert.Equal(file.Model.Get("tokenizer.ggml.tokens").Count, file.Model.GetTensor("token_embd.weight").Rows);
        Assert.Equal(279, file.Model.GetTensor("token_embd.weight").Rows);
    }
}
