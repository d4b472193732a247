namespace FinerCut.Gguf;

/// <summary>
/// Names and shapes of the tensors that llama.cpp v0.5.0 loads (src/models/*.cpp, load_arch_tensors) for the architectures that we rewrite
/// from or to.
/// </summary>
internal sealed class ArchitectureShapes(
    string architecture,
    long embedding,
    long vocabulary,
    long keyLength,
    long valueLength,
    long experts,
    int[] heads,
    int[] keyHeads,
    int[] feedForward,
    Func<string, bool> exists)
{
    private static readonly string[] Known = ["llama", "mistral3", "granite", "deci", "qwen2", "qwen3", "phi3", "openelm"];

    public sealed record Expected(string Name, bool Required, params long[] Shape);

    public static bool IsKnown(string architecture) => Known.Contains(architecture);

    public IEnumerable<Expected> All()
    {
        yield return new("token_embd.weight", true, embedding, vocabulary);
        yield return new("output_norm.weight", true, embedding);
        if (architecture != "openelm") yield return new("output.weight", false, embedding, vocabulary);
        for (var block = 0; block < heads.Length; block++)
        {
            foreach (var expected in Attention(block).Concat(FeedForward(block))) yield return expected with { Name = $"blk.{block}.{expected.Name}" };
        }
    }

    private IEnumerable<Expected> Attention(int block)
    {
        var (queries, keys, values) = (heads[block] * keyLength, keyHeads[block] * keyLength, keyHeads[block] * valueLength);
        if (architecture == "deci" && keyHeads[block] == 0)
        {
            if (heads[block] == 0) yield break;
            yield return new("attn_norm.weight", true, embedding);
            yield return new("attn_output.weight", true, embedding, embedding);
            yield break;
        }
        yield return new("attn_norm.weight", true, embedding);
        if (architecture == "openelm" || exists($"blk.{block}.attn_qkv.weight"))
        {
            yield return new("attn_qkv.weight", true, embedding, queries + keys + values);
            yield return new("attn_qkv.bias", false, queries + keys + values);
        }
        else
        {
            yield return new("attn_q.weight", true, embedding, queries);
            yield return new("attn_k.weight", true, embedding, keys);
            yield return new("attn_v.weight", true, embedding, values);
            yield return new("attn_q.bias", false, queries);
            yield return new("attn_k.bias", false, keys);
            yield return new("attn_v.bias", false, values);
        }
        if (architecture is "qwen3" or "openelm")
        {
            yield return new("attn_q_norm.weight", true, keyLength);
            yield return new("attn_k_norm.weight", true, keyLength);
        }
        yield return new("attn_output.weight", true, heads[block] * valueLength, embedding);
        yield return new("attn_output.bias", false, embedding);
    }

    private IEnumerable<Expected> FeedForward(int block)
    {
        long width = feedForward[block];
        if (width == 0) yield break;
        yield return new("ffn_norm.weight", true, embedding);
        if (experts > 0)
        {
            yield return new("ffn_gate_inp.weight", true, embedding, experts);
            // Old files hold the experts one by one (ffn_up.0.weight ...).
            yield return new("ffn_gate_exps.weight", false, embedding, width, experts);
            yield return new("ffn_down_exps.weight", false, width, embedding, experts);
            yield return new("ffn_up_exps.weight", false, embedding, width, experts);
            yield break;
        }
        if (architecture != "phi3") yield return new("ffn_gate.weight", true, embedding, width);
        yield return new("ffn_down.weight", true, width, embedding);
        yield return new("ffn_up.weight", true, embedding, architecture == "phi3" ? 2 * width : width);
        yield return new("ffn_gate.bias", false, width);
        yield return new("ffn_down.bias", false, embedding);
        yield return new("ffn_up.bias", false, architecture == "phi3" ? 2 * width : width);
    }
}
