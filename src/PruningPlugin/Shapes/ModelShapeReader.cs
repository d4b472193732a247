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
    /// <exception cref="UnsupportedModelException">The architecture, a key or a tensor is not covered.</exception>
    /// <exception cref="GgufException">A key is missing or of the wrong type.</exception>
    public static ModelShape Read(GgufModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var form = LeanForm.Of(model);
        var architecture = model.Architecture!;
        var blocks = model.GetInt32($"{architecture}.block_count");
        var decoding = blocks - model.GetInt32($"{architecture}.nextn_predict_layers", 0);
        var bytes = BytesOfBlocks(model, blocks, form);
        var heads = PerBlock(model, "attention.head_count", blocks, 1);
        var kvHeads = model.Find($"{architecture}.attention.head_count_kv") is null ? heads : PerBlock(model, "attention.head_count_kv", blocks, 0);
        var widths = PerBlock(model, "feed_forward_length", blocks, 1);
        var embedding = model.GetInt32($"{architecture}.embedding_length");
        var shapes = ImmutableArray.CreateBuilder<BlockShape>(blocks);
        for (var block = 0; block < blocks; block++)
        {
            // Blocks that predict further tokens are no part of the residual stream: they have no sublayers, and stay.
            var shape = block >= decoding ? new BlockShape(0, 0, 0, bytes[block].Attention, bytes[block].Ffn)
                : form.Architecture is null ? Loose(heads[block], kvHeads[block], widths[block], bytes[block])
                : Checked(block, new BlockShape(heads[block], kvHeads[block], widths[block], bytes[block].Attention, bytes[block].Ffn));
            shapes.Add(shape);
        }

        return new ModelShape(
            architecture,
            embedding,
            model.GetInt32($"{architecture}.attention.key_length", embedding / Math.Max(heads[0], 1)),
            checked((int)model.GetTensor("token_embd.weight").Shape[1]),
            shapes.MoveToImmutable(),
            model.Tensors.Sum(tensor => tensor.ByteCount))
        {
            SublayersAlone = form.Architecture is not null,
            FfnUnits = form.FfnUnits,
        };
    }

    /// <summary>Block number and the rest of a tensor's name, null for tensors of no block.</summary>
    public static (int Block, string Tensor)? PartsOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var parts = name.Split('.', 3);
        return parts is ["blk", var number, var tensor] && int.TryParse(number, out var block) ? (block, tensor) : null;
    }

    /// <summary>The sublayer that a tensor of a block belongs to.</summary>
    /// <param name="tensor">Its name in the block, such as attn_q.weight.</param>
    /// <param name="anyName">Where only whole blocks go, names need not be known: what is not named after an FFN counts as attention.</param>
    /// <exception cref="UnsupportedModelException">A tensor that pruning does not know.</exception>
    public static SublayerKind KindOf(string tensor, bool anyName = false) =>
        BlockTensorNames.Attention.Contains(tensor) ? SublayerKind.Attention
        : BlockTensorNames.Ffn.Contains(tensor) ? SublayerKind.Ffn
        : !anyName ? throw new UnsupportedModelException($"Tensors named {tensor} in a block are not known to pruning; known: {string.Join(", ", BlockTensorNames.Attention.Concat(BlockTensorNames.Ffn).Order(StringComparer.Ordinal))}.")
        : BlockTensorNames.IsOfFfn(tensor) ? SublayerKind.Ffn
        : SublayerKind.Attention;

    private static int[] PerBlock(GgufModel model, string key, int blocks, int otherwise) =>
        model.Find($"{model.Architecture}.{key}") is null ? [.. Enumerable.Repeat(otherwise, blocks)] : model.GetInt32s($"{model.Architecture}.{key}", blocks);

    private static (long Attention, long Ffn)[] BytesOfBlocks(GgufModel model, int blocks, LeanForm form)
    {
        var bytes = new (long Attention, long Ffn)[blocks];
        foreach (var tensor in model.Tensors)
        {
            if (PartsOf(tensor.Name) is not var (block, name)) continue;
            if (block >= blocks) throw new UnsupportedModelException($"The tensor {tensor.Name} belongs to no block: block_count is {blocks}.");
            if (KindOf(name, anyName: form.Architecture is null) == SublayerKind.Attention) bytes[block].Attention += tensor.ByteCount;
            else bytes[block].Ffn += tensor.ByteCount;
        }

        return bytes;
    }

    private static BlockShape Checked(int block, BlockShape shape) =>
        shape.HeadCount <= 0 || shape.KvGroupCount <= 0 || shape.HeadCount % shape.KvGroupCount != 0 || shape.FfnLength <= 0
            ? throw new UnsupportedModelException($"Block {block} has {shape.HeadCount} heads, {shape.KvGroupCount} KV heads and {shape.FfnLength} FFN channels; expected all above 0 and the heads a multiple of the KV heads.")
            : shape;

    /// <summary>A block that only goes whole: a sublayer is there where it has tensors; recurrent attention has no KV heads.</summary>
    private static BlockShape Loose(int heads, int kvHeads, int width, (long Attention, long Ffn) bytes)
    {
        var attention = bytes.Attention > 0;
        var ffn = bytes.Ffn > 0;
        return new BlockShape(attention ? Math.Max(heads, 1) : 0, attention && heads > 0 && heads % Math.Max(kvHeads, 1) == 0 ? kvHeads : 0, ffn ? Math.Max(width, 1) : 0, bytes.Attention, bytes.Ffn);
    }
}
