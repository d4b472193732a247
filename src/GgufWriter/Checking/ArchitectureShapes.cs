namespace FinerCut.Gguf;

/// <summary>
/// Names and shapes of the tensors that llama.cpp v0.5.0 loads (src/models/*.cpp, load_arch_tensors) for the architectures that we rewrite
/// from or to.
/// </summary>
internal sealed class ArchitectureShapes(string architecture, ArchitectureSizes sizes, Func<string, bool> exists)
{
    private static readonly string[] Known = ["llama", "mistral3", "granite", "deci", "qwen2", "qwen3", "qwen3moe", "phi3", "openelm", "step35"];

    public sealed record Expected(string Name, bool Required, params long[] Shape);

    public static bool IsKnown(string architecture) => Known.Contains(architecture);

    public IEnumerable<Expected> All()
    {
        yield return new("token_embd.weight", true, sizes.Embedding, sizes.Vocabulary);
        yield return new("output_norm.weight", true, sizes.Embedding);
        if (architecture != "openelm") yield return new("output.weight", false, sizes.Embedding, sizes.Vocabulary);
        for (var block = 0; block < sizes.Heads.Length; block++)
        {
            foreach (var expected in Attention(block).Concat(FeedForward(block))) yield return expected with { Name = $"blk.{block}.{expected.Name}" };
        }
    }

    private IEnumerable<Expected> Attention(int block)
    {
        var (queries, keys, values) = (sizes.Heads[block] * sizes.KeyLength, sizes.KeyHeads[block] * sizes.KeyLength, sizes.KeyHeads[block] * sizes.ValueLength);
        if (architecture == "deci" && sizes.KeyHeads[block] == 0)
        {
            if (sizes.Heads[block] == 0) yield break;
            yield return new("attn_norm.weight", true, sizes.Embedding);
            yield return new("attn_output.weight", true, sizes.Embedding, sizes.Embedding);
            yield break;
        }
        yield return new("attn_norm.weight", true, sizes.Embedding);
        if (architecture == "openelm" || exists($"blk.{block}.attn_qkv.weight"))
        {
            yield return new("attn_qkv.weight", true, sizes.Embedding, queries + keys + values);
            yield return new("attn_qkv.bias", false, queries + keys + values);
        }
        else
        {
            yield return new("attn_q.weight", true, sizes.Embedding, queries);
            yield return new("attn_k.weight", true, sizes.Embedding, keys);
            yield return new("attn_v.weight", true, sizes.Embedding, values);
            yield return new("attn_q.bias", false, queries);
            yield return new("attn_k.bias", false, keys);
            yield return new("attn_v.bias", false, values);
        }
        if (architecture is "qwen3" or "qwen3moe" or "openelm")
        {
            yield return new("attn_q_norm.weight", true, sizes.KeyLength);
            yield return new("attn_k_norm.weight", true, sizes.KeyLength);
        }
        yield return new("attn_output.weight", true, sizes.Heads[block] * sizes.ValueLength, sizes.Embedding);
        yield return new("attn_output.bias", false, sizes.Embedding);
    }

    private IEnumerable<Expected> FeedForward(int block)
    {
        long width = sizes.FeedForward[block];
        if (width == 0) yield break;
        yield return new("ffn_norm.weight", true, sizes.Embedding);
        var hasExperts = architecture == "step35" ? exists($"blk.{block}.ffn_gate_inp.weight") : sizes.Experts > 0;
        if (hasExperts)
        {
            yield return new("ffn_gate_inp.weight", true, sizes.Embedding, sizes.Experts);
            yield return new("ffn_gate_exps.weight", architecture is "qwen3moe" or "step35", sizes.Embedding, sizes.ExpertLength, sizes.Experts);
            yield return new("ffn_down_exps.weight", true, sizes.ExpertLength, sizes.Embedding, sizes.Experts);
            yield return new("ffn_up_exps.weight", true, sizes.Embedding, sizes.ExpertLength, sizes.Experts);
            var shared = sizes.SharedExpertLength;
            if (shared == 0) yield break;
            yield return new("ffn_gate_shexp.weight", true, sizes.Embedding, shared);
            yield return new("ffn_down_shexp.weight", true, shared, sizes.Embedding);
            yield return new("ffn_up_shexp.weight", true, sizes.Embedding, shared);
            yield break;
        }
        if (architecture != "phi3") yield return new("ffn_gate.weight", true, sizes.Embedding, width);
        yield return new("ffn_down.weight", true, width, sizes.Embedding);
        yield return new("ffn_up.weight", true, sizes.Embedding, architecture == "phi3" ? 2 * width : width);
        yield return new("ffn_gate.bias", false, width);
        yield return new("ffn_down.bias", false, sizes.Embedding);
        yield return new("ffn_up.bias", false, architecture == "phi3" ? 2 * width : width);
    }
}

/// <summary>Sizes that the metadata announces: lengths in elements, counts for each block.</summary>
internal sealed record ArchitectureSizes
{
    public required long Embedding { get; init; }

    public required long Vocabulary { get; init; }

    public required long KeyLength { get; init; }

    public required long ValueLength { get; init; }

    /// <summary>0 where the model has none.</summary>
    public required long Experts { get; init; }

    /// <summary>Channels of one expert.</summary>
    public required long ExpertLength { get; init; }

    /// <summary>Channels of the expert that every token passes; 0 where there is none.</summary>
    public required long SharedExpertLength { get; init; }

    public required int[] Heads { get; init; }

    public required int[] KeyHeads { get; init; }

    public required int[] FeedForward { get; init; }
}
