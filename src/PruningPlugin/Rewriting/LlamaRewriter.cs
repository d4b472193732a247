using System.Collections.Immutable;
using System.Reflection;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Pruning.Rewriting;

/// <summary>
/// Llama-family models become <c>deci</c>, whose head counts and FFN widths are per-layer arrays (src/models/deci.cpp, v0.5.0); a result whose
/// blocks are all alike stays <c>llama</c>. Kept tensor data is copied untouched.
/// </summary>
public sealed class LlamaRewriter : IArchitectureRewriter
{
    public string Architecture => "llama";

    public GgufEdit Plan(GgufFile source, CutMask mask, Provenance provenance)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(mask);
        ArgumentNullException.ThrowIfNull(provenance);
        var blocks = PackedBlock.Pack(mask);
        if (blocks.Length == 0) throw new UnsupportedModelException("The mask removes every sublayer: no model is left.");
        var counts = blocks.Select((block, index) => CountsOf(block, index == 0, mask)).ToArray();
        var edit = new GgufEdit(source);
        SetKeys(edit, source.Model, counts, mask.Units.Shape);
        SetProvenance(edit, provenance);
        edit.DropAllTensors();
        var placed = false;
        foreach (var tensor in source.Model.Tensors)
        {
            if (ModelShapeReader.PartsOf(tensor.Name) is null) edit.Add(GgufTensorPlan.Whole(source, tensor));
            else if (!placed)
            {
                placed = true;
                for (var index = 0; index < blocks.Length; index++) AddBlock(edit, new BlockTensors(source, mask), blocks[index], index);
            }
        }

        return edit;
    }

    /// <summary>Head count, KV head count and FFN width of a packed block.</summary>
    private static (int Heads, int KvHeads, int Ffn) CountsOf(PackedBlock block, bool first, CutMask mask)
    {
        // llama.cpp takes the head length of the whole model from block 0 only when that has heads: it gets one of zeros where it has none.
        var (heads, kvHeads) = first ? (1, 1) : (0, 0);
        if (block.Attention is { } attention)
        {
            var shape = mask.Units.Shape.Blocks[attention];
            kvHeads = shape.KvGroupCount - mask.RemovedParts(new Sublayer(attention, SublayerKind.Attention)).Length;
            heads = shape.HeadCount / shape.KvGroupCount * kvHeads;
        }

        // A width of 0 would drop the block whole, attention included: it gets one channel of zeros.
        var width = 1;
        if (block.Ffn is { } ffn)
        {
            var gone = ChannelRanges.Of(mask, new Sublayer(ffn, SublayerKind.Ffn)).Sum(range => range.End - range.Start);
            width = mask.Units.Shape.Blocks[ffn].FfnLength - gone;
        }

        return (heads, kvHeads, width);
    }

    private static void SetKeys(GgufEdit edit, GgufModel source, (int Heads, int KvHeads, int Ffn)[] counts, ModelShape shape)
    {
        RefuseUnknownArrays(source, shape);
        var regular = counts.All(count => count == counts[0]);
        var name = regular ? "llama" : "deci";
        foreach (var key in source.KeyValues.Select(keyValue => keyValue.Key).Where(key => key.StartsWith("llama.", StringComparison.Ordinal)).ToArray())
        {
            if (!regular) edit.RenameKey(key, $"deci{key[5..]}");
        }

        edit.Set(GgufKeys.Architecture, name);
        edit.Set($"{name}.block_count", (uint)counts.Length);
        edit.Set($"{name}.attention.key_length", (uint)shape.HeadLength);
        edit.Set($"{name}.attention.value_length", (uint)shape.HeadLength);
        edit.Set($"{name}.rope.dimension_count", (uint)shape.HeadLength);
        edit.Set($"{name}.attention.head_count", PerLayer(regular, [.. counts.Select(count => (uint)count.Heads)]));
        edit.Set($"{name}.attention.head_count_kv", PerLayer(regular, [.. counts.Select(count => (uint)count.KvHeads)]));
        edit.Set($"{name}.feed_forward_length", PerLayer(regular, [.. counts.Select(count => (uint)count.Ffn)]));
    }

    private static GgufValue PerLayer(bool regular, uint[] values) => regular ? GgufValue.Of(values[0]) : GgufValue.ArrayOf<uint>(values);

    private static void RefuseUnknownArrays(GgufModel source, ModelShape shape)
    {
        string[] known = ["llama.attention.head_count", "llama.attention.head_count_kv", "llama.feed_forward_length"];
        var unknown = source.KeyValues.FirstOrDefault(keyValue =>
            keyValue.Value.IsArray && keyValue.Value.Count == shape.Blocks.Length && keyValue.Key.StartsWith("llama.", StringComparison.Ordinal) && !known.Contains(keyValue.Key));
        if (unknown is not null) throw new UnsupportedModelException($"The key {unknown.Key} holds a value for each block, and it is not known which ones a lean file would keep.");
    }

    private static void SetProvenance(GgufEdit edit, Provenance provenance)
    {
        edit.Set("finercut.version", typeof(LlamaRewriter).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0");
        edit.Set("finercut.parent.sha256", provenance.ParentSha256);
        edit.Set("finercut.method", provenance.Method);
        if (provenance.Removed.Length == 0) return;
        edit.Set("finercut.removed", GgufValue.ArrayOf([.. provenance.Removed]));
        edit.Set("finercut.distances", GgufValue.ArrayOf<double>(provenance.Distances.AsSpan()));
    }

    private static void AddBlock(GgufEdit edit, BlockTensors tensors, PackedBlock block, int index)
    {
        var attention = block.Attention is { } attentionOf ? tensors.Kept(new Sublayer(attentionOf, SublayerKind.Attention), index)
            : index == 0 ? tensors.ZeroAttention(index)
            : [];
        var ffn = block.Ffn is { } ffnOf ? tensors.Kept(new Sublayer(ffnOf, SublayerKind.Ffn), index) : tensors.ZeroFfn(index);
        foreach (var tensor in attention.Concat(ffn)) edit.Add(tensor);
    }
}
