using System.Collections.Immutable;
using FinerCut.Gguf;
using FinerCut.Masks;

namespace FinerCut.Pruning.Shapes;

/// <summary>
/// Reads what pruning needs to know of a model from its GGUF metadata, and refuses by name what masks and rewriters do not cover. Pure.
/// Names: src/llama-arch.cpp of llama.cpp v0.5.0.
/// </summary>
public static class ModelShapeReader
{
    /// <summary>Tensors of a block whose rows or columns belong to KV-head groups, and what goes only with the whole sublayer.</summary>
    private static readonly ImmutableHashSet<string> AttentionTensors =
        ["attn_norm.weight", "attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight", "attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias"];

    private static readonly ImmutableHashSet<string> FfnTensors =
        ["ffn_norm.weight", "ffn_gate.weight", "ffn_up.weight", "ffn_down.weight", "ffn_gate.bias", "ffn_up.bias", "ffn_down.bias"];

    /// <exception cref="UnsupportedModelException">The architecture, a key or a tensor is not covered.</exception>
    /// <exception cref="GgufException">A key is missing or of the wrong type.</exception>
    public static ModelShape Read(GgufModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var architecture = model.Architecture ?? throw new UnsupportedModelException("The file has no general.architecture: it is no model.");
        if (architecture != "llama")
        {
            throw new UnsupportedModelException($"Models of the architecture {architecture} cannot be pruned; supported: llama (Llama, Mistral, SmolLM, Yi, TinyLlama).");
        }

        if (model.GetInt32($"{architecture}.expert_count", 0) > 0) throw new UnsupportedModelException("Mixtures of experts cannot be pruned: their FFN has no channels common to all tokens.");
        var blocks = model.GetInt32($"{architecture}.block_count");
        var embedding = model.GetInt32($"{architecture}.embedding_length");
        var heads = model.GetInt32s($"{architecture}.attention.head_count", blocks);
        var kvHeads = model.Find($"{architecture}.attention.head_count_kv") is null ? heads : model.GetInt32s($"{architecture}.attention.head_count_kv", blocks);
        var widths = model.GetInt32s($"{architecture}.feed_forward_length", blocks);
        var headLength = model.GetInt32($"{architecture}.attention.key_length", embedding / Math.Max(heads[0], 1));
        if (model.GetInt32($"{architecture}.attention.value_length", headLength) != headLength || model.GetInt32($"{architecture}.rope.dimension_count", headLength) != headLength)
        {
            throw new UnsupportedModelException($"Key length {headLength}, value length and RoPE dimensions differ; the architecture deci, which lean files have, wants them equal.");
        }

        var bytes = BytesOfBlocks(model, blocks);
        return new ModelShape(
            architecture,
            embedding,
            headLength,
            checked((int)model.GetTensor("token_embd.weight").Shape[1]),
            [.. Enumerable.Range(0, blocks).Select(block => Checked(block, new BlockShape(heads[block], kvHeads[block], widths[block], bytes[block].Attention, bytes[block].Ffn)))],
            model.Tensors.Sum(tensor => tensor.ByteCount));
    }

    /// <summary>Block number and the rest of a tensor's name, null for tensors of no block.</summary>
    public static (int Block, string Tensor)? PartsOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var parts = name.Split('.', 3);
        return parts is ["blk", var number, var tensor] && int.TryParse(number, out var block) ? (block, tensor) : null;
    }

    /// <summary>The sublayer that a tensor of a block belongs to.</summary>
    /// <exception cref="UnsupportedModelException">A tensor that pruning does not know.</exception>
    public static SublayerKind KindOf(string tensor) =>
        AttentionTensors.Contains(tensor) ? SublayerKind.Attention
        : FfnTensors.Contains(tensor) ? SublayerKind.Ffn
        : throw new UnsupportedModelException($"Tensors named {tensor} in a block are not known to pruning; known: {string.Join(", ", AttentionTensors.Concat(FfnTensors).Order(StringComparer.Ordinal))}.");

    private static (long Attention, long Ffn)[] BytesOfBlocks(GgufModel model, int blocks)
    {
        var bytes = new (long Attention, long Ffn)[blocks];
        foreach (var tensor in model.Tensors)
        {
            if (PartsOf(tensor.Name) is not var (block, name)) continue;
            if (block >= blocks) throw new UnsupportedModelException($"The tensor {tensor.Name} belongs to no block: block_count is {blocks}.");
            if (KindOf(name) == SublayerKind.Attention) bytes[block].Attention += tensor.ByteCount;
            else bytes[block].Ffn += tensor.ByteCount;
        }

        return bytes;
    }

    private static BlockShape Checked(int block, BlockShape shape) =>
        shape.HeadCount <= 0 || shape.KvGroupCount <= 0 || shape.HeadCount % shape.KvGroupCount != 0 || shape.FfnLength <= 0
            ? throw new UnsupportedModelException($"Block {block} has {shape.HeadCount} heads, {shape.KvGroupCount} KV heads and {shape.FfnLength} FFN channels; expected all above 0 and the heads a multiple of the KV heads.")
            : shape;
}
