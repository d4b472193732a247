using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Pruning.Rewriting;

/// <summary>What step35 (src/models/step35.cpp of llama.cpp v0.5.0) asks for beyond the counts, set so that it computes what llama, qwen3 and qwen3moe do.</summary>
internal static class Step35Keys
{
    private const uint Softmax = 1;

    /// <summary>Longer than any context, and still no overflow where llama.cpp multiplies it by the number of sequences.</summary>
    private const uint EndlessWindow = 1 << 20;

    /// <exception cref="UnsupportedModelException">A block would have to rotate otherwise than the rest.</exception>
    public static void Set(GgufEdit edit, GgufModel source, IReadOnlyList<PackedBlock> blocks, ModelShape shape)
    {
        var experts = source.GetInt32($"{source.Architecture}.expert_count", 0);
        var width = (uint)shape.Blocks[0].FfnLength;

        // llama.cpp wants a block with a sliding window: one without attention of its own, else the last. Its RoPE knows no scaling.
        var window = blocks.Count - 1;
        for (var block = 0; block < blocks.Count; block++) window = blocks[block].Attention is null ? block : window;
        if (blocks[window].Attention is not null && Scaled(source) is { } scaled)
        {
            throw new UnsupportedModelException($"With {scaled} an attention must go as a whole, so that its block can be the one with a sliding window, which {source.Architecture}'s lean files (step35) must have one of. Leave out one attention.");
        }

        edit.Set("step35.attention.sliding_window", EndlessWindow);
        edit.Set("step35.attention.sliding_window_pattern", GgufValue.ArrayOf<bool>([.. Enumerable.Range(0, blocks.Count).Select(block => block == window)]));
        edit.Set("step35.rope.freq_base_swa", edit.Find("step35.rope.freq_base") ?? 10000f);

        // Of blocks without a window llama.cpp rotates half of what dimension_count says.
        edit.Set("step35.rope.dimension_count", 2u * (uint)shape.HeadLength).Set("step35.rope.dimension_count_swa", (uint)shape.HeadLength);

        // FFNs have one width and experts one, and each kind stands in for the other where an FFN is gone.
        edit.Set("step35.feed_forward_length", experts > 0 ? 1u : width);
        var ofExpert = source.GetInt32($"{source.Architecture}.expert_feed_forward_length", 0);
        edit.Set("step35.expert_feed_forward_length", experts == 0 ? 1u : ofExpert > 0 ? (uint)ofExpert : width);
        edit.Set("step35.expert_shared_feed_forward_length", 1u);
        edit.Set("step35.expert_gating_func", Softmax).Set("step35.expert_weights_norm", true);
        edit.Remove("step35.expert_weights_scale");
        if (experts == 0) edit.Set("step35.expert_count", 1u).Set("step35.expert_used_count", 1u);
    }

    private static string? Scaled(GgufModel source) =>
        source.FindTensor("rope_freqs.weight") is not null ? "rope_freqs.weight"
        : source.KeyValues.FirstOrDefault(keyValue => keyValue.Key.StartsWith($"{source.Architecture}.rope.scal", StringComparison.Ordinal))?.Key;
}
