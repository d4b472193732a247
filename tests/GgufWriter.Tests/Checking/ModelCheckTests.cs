using FinerCut.TestModels;

namespace FinerCut.Gguf.Tests.Checking;

public sealed class ModelCheckTests : IDisposable
{
    private const string Tokens = "tokenizer.ggml.tokens";

    private readonly TempFolder _folder = new();

    public static TheoryData<string, string, GgufCause> Broken => new()
    {
        { "no architecture", "general.architecture", GgufCause.KeyMissing },
        { "architecture a number", "general.architecture", GgufCause.ValueTypeWrong },
        { "no block_count", "llama.block_count", GgufCause.KeyMissing },
        { "block_count a text", "llama.block_count", GgufCause.ValueTypeWrong },
        { "block_count an array", "llama.block_count", GgufCause.ValueTypeWrong },
        { "block_count 0", "llama.block_count", GgufCause.ValueOutOfRange },
        { "block_count 513", "llama.block_count", GgufCause.ValueOutOfRange },
        { "block_count more than there are", "blk.4", GgufCause.TensorMissing },
        { "block_count less than there are", "blk.3.attn_norm.weight", GgufCause.TensorUnexpected },
        { "heads for 3 of 4 blocks", "llama.attention.head_count", GgufCause.ArrayLengthWrong },
        { "KV heads for 5 of 4 blocks", "llama.attention.head_count_kv", GgufCause.ArrayLengthWrong },
        { "FFN widths for no block", "llama.feed_forward_length", GgufCause.ArrayLengthWrong },
        { "heads no multiple of KV heads", "llama.attention.head_count", GgufCause.ValueOutOfRange },
        { "0 heads", "llama.attention.head_count", GgufCause.ValueOutOfRange },
        { "no epsilon", "llama.attention.layer_norm_rms_epsilon", GgufCause.KeyMissing },
        { "a tensor gone", "blk.2.ffn_up.weight", GgufCause.TensorMissing },
        { "a tensor of another shape", "blk.1.attn_k.weight", GgufCause.TensorShapeWrong },
        { "special id past the vocabulary", "tokenizer.ggml.bos_token_id", GgufCause.TokenIdOutOfRange },
        { "special id of -1", "tokenizer.ggml.eos_token_id", GgufCause.TokenIdOutOfRange },
        { "special id a text", "tokenizer.ggml.eos_token_id", GgufCause.ValueTypeWrong },
        { "byte token <0x-1>", Tokens, GgufCause.TokenTextInvalid },
        { "token text twice", Tokens, GgufCause.TokenTextInvalid },
        { "tokens as numbers", Tokens, GgufCause.ValueTypeWrong },
        { "too few token types", "tokenizer.ggml.token_type", GgufCause.ArrayLengthWrong },
        { "too few scores", "tokenizer.ggml.scores", GgufCause.ArrayLengthWrong },
        { "fewer embeddings than tokens", "token_embd.weight", GgufCause.TensorShapeWrong },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Broken))]
    public void Is_told_for_its_own_cause_and_name(string what, string name, GgufCause cause)
    {
        GgufWriter.Write(Break(what), _folder["broken.gguf"]);
        var report = GgufCheck.Check(_folder["broken.gguf"]);
        Assert.Contains(report.Defects, defect => defect.Cause == cause && defect.Name == name);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("phi3")]
    public void Sound_models_have_no_defects(string architecture)
    {
        new TinyModel { Architecture = architecture }.WriteTo(_folder["a.gguf"]);
        Assert.Empty(GgufCheck.Check(_folder["a.gguf"]).Defects);
    }

    [Fact]
    public void Variants_of_llama_have_no_defects()
    {
        TinyModel[] models =
        [
            new() { Biases = true, RopeFreqs = true, TiedOutput = true, Tokenizer = TinyTokenizer.Spm, HeadSize = 32 },
            new() { Experts = 4 },
            new() { Architecture = "granite", Experts = 4 },
            new() { Architecture = "qwen3moe", Experts = 4, HeadSize = 32 },
        ];
        foreach (var model in models)
        {
            model.WriteTo(_folder["a.gguf"]);
            Assert.Empty(GgufCheck.Check(_folder["a.gguf"]).Defects);
        }
    }

    [Theory]
    [InlineData("fewer experts than announced", "blk.2.ffn_up_exps.weight", GgufCause.TensorShapeWrong)]
    [InlineData("an expert's width", "blk.1.ffn_down_exps.weight", GgufCause.TensorShapeWrong)]
    [InlineData("no down", "blk.3.ffn_down_exps.weight", GgufCause.TensorMissing)]
    [InlineData("a router for more experts", "blk.0.ffn_gate_inp.weight", GgufCause.TensorShapeWrong)]
    [InlineData("more used than there are", "llama.expert_used_count", GgufCause.ValueOutOfRange)]
    public void Experts_are_checked_by_their_shapes(string what, string name, GgufCause cause)
    {
        var edit = new TinyModel { Experts = 4 }.Plan();
        switch (what)
        {
            case "fewer experts than announced": edit.Replace(name, Samples.Tensor(name, GgmlType.F32, 1, 64, 128, 3)); break;
            case "an expert's width": edit.Replace(name, Samples.Tensor(name, GgmlType.F32, 1, 96, 64, 4)); break;
            case "no down": edit.Drop(name); break;
            case "a router for more experts": edit.Replace(name, Samples.Tensor(name, GgmlType.F32, 1, 64, 5)); break;
            default: edit.Set(name, 5u); break;
        }

        GgufWriter.Write(edit, _folder["broken.gguf"]);
        Assert.Contains(GgufCheck.Check(_folder["broken.gguf"]).Defects, defect => defect.Cause == cause && defect.Name == name);
    }

    [Fact]
    public void The_embedded_model_has_no_defects() => Assert.Empty(GgufCheck.Check(TempFolder.EmbeddedModel).Defects);

    private static GgufEdit Break(string what)
    {
        var edit = new TinyModel { Tokenizer = TinyTokenizer.Spm, Heads = 4, KvHeads = 2 }.Plan();
        var texts = edit.Find(Tokens)!.GetTexts().ToArray();
        switch (what)
        {
            case "no architecture": edit.Remove("general.architecture"); break;
            case "architecture a number": edit.Set("general.architecture", 1u); break;
            case "no block_count": edit.Remove("llama.block_count"); break;
            case "block_count a text": edit.Set("llama.block_count", "4"); break;
            case "block_count an array": edit.Set("llama.block_count", GgufValue.ArrayOf(4u)); break;
            case "block_count 0": edit.Set("llama.block_count", 0u); break;
            case "block_count 513": edit.Set("llama.block_count", 513u); break;
            case "block_count more than there are": edit.Set("llama.block_count", 5u); break;
            case "block_count less than there are": edit.Set("llama.block_count", 3u); break;
            case "heads for 3 of 4 blocks": edit.Set("llama.attention.head_count", GgufValue.ArrayOf(4u, 4u, 4u)); break;
            case "KV heads for 5 of 4 blocks": edit.Set("llama.attention.head_count_kv", GgufValue.ArrayOf(2, 2, 2, 2, 2)); break;
            case "FFN widths for no block": edit.Set("llama.feed_forward_length", GgufValue.ArrayOf<uint>()); break;
            case "heads no multiple of KV heads": edit.Set("llama.attention.head_count_kv", 3u); break;
            case "0 heads": edit.Set("llama.attention.head_count", 0u); break;
            case "no epsilon": edit.Remove("llama.attention.layer_norm_rms_epsilon"); break;
            case "a tensor gone": edit.Drop("blk.2.ffn_up.weight"); break;
            case "a tensor of another shape": edit.Replace("blk.1.attn_k.weight", Samples.Tensor("blk.1.attn_k.weight", GgmlType.F32, 1, 64, 64)); break;
            case "special id past the vocabulary": edit.Set("tokenizer.ggml.bos_token_id", (uint)texts.Length); break;
            case "special id of -1": edit.Set("tokenizer.ggml.eos_token_id", uint.MaxValue); break;
            case "special id a text": edit.Set("tokenizer.ggml.eos_token_id", "</s>"); break;
            case "byte token <0x-1>": texts[10] = "<0x-1>"; edit.Set(Tokens, GgufValue.ArrayOf(texts)); break;
            case "token text twice": texts[^1] = texts[^2]; edit.Set(Tokens, GgufValue.ArrayOf(texts)); break;
            case "tokens as numbers": edit.Set(Tokens, GgufValue.ArrayOf(1, 2, 3)); break;
            case "too few token types": edit.Set("tokenizer.ggml.token_type", GgufValue.ArrayOf(1, 1)); break;
            case "too few scores": edit.Set("tokenizer.ggml.scores", GgufValue.ArrayOf(1f, 1f)); break;
            case "fewer embeddings than tokens": edit.Replace("token_embd.weight", Samples.Tensor("token_embd.weight", GgmlType.F32, 1, 64, 200)); break;
            default: throw new ArgumentOutOfRangeException(nameof(what), what, null);
        }
        return edit;
    }
}
