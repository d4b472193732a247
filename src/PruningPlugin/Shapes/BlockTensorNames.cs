using System.Collections.Immutable;

namespace FinerCut.Pruning.Shapes;

/// <summary>Names of a block's tensors in the architectures that can be cut finer than by blocks (src/llama-arch.cpp of llama.cpp v0.5.0).</summary>
internal static class BlockTensorNames
{
    public static readonly ImmutableHashSet<string> Attention =
    [
        "attn_norm.weight", "attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight", "attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias",
        "attn_qkv.weight", "attn_qkv.bias", "attn_q_norm.weight", "attn_k_norm.weight",
    ];

    public static readonly ImmutableHashSet<string> Ffn =
    [
        "ffn_norm.weight", "ffn_gate.weight", "ffn_up.weight", "ffn_down.weight", "ffn_gate.bias", "ffn_up.bias", "ffn_down.bias",
        "ffn_gate_inp.weight", "ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight", "ffn_gate_shexp.weight", "ffn_up_shexp.weight", "ffn_down_shexp.weight",
    ];

    /// <summary>Whether the tensor belongs to its sublayer as a whole: no rows or columns of it go with a unit.</summary>
    public static bool IsShared(string tensor) =>
        tensor is "attn_norm.weight" or "attn_output.bias" or "ffn_norm.weight" or "ffn_down.bias" or "attn_q_norm.weight" or "attn_k_norm.weight";

    /// <summary>Whether a tensor of any architecture is named after an FFN, a mixture of experts or RWKV's channel mix.</summary>
    public static bool IsOfFfn(string tensor) =>
        tensor.StartsWith("ffn_", StringComparison.Ordinal) || tensor.StartsWith("post_ffw_norm", StringComparison.Ordinal)
        || tensor.StartsWith("exp_probs_b", StringComparison.Ordinal) || tensor.StartsWith("channel_mix", StringComparison.Ordinal);
}
