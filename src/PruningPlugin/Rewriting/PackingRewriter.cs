using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Pruning.Rewriting;

/// <summary>
/// Models with an architecture beside them whose blocks may differ (<see cref="LeanForm"/>): what is kept of their sublayers is packed into
/// blocks of it. A result whose blocks are whole stays what it was. Kept tensor data is copied untouched, but for what is healed.
/// </summary>
public sealed class PackingRewriter(string architecture) : IArchitectureRewriter
{
    public string Architecture => architecture;

    public GgufEdit Plan(GgufShards source, CutMask mask, Provenance provenance, HealedModel? healed = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(mask);
        ArgumentNullException.ThrowIfNull(provenance);
        var form = LeanForm.Of(source.Model);
        healed ??= HealedModel.None;
        if (!healed.IsEmpty && form.Architecture != "deci") throw new UnsupportedModelException($"Lean {architecture} models are not healed: they are not written as deci.");
        if (form.Architecture is null) return BlockRewriter.Plan(source, BlockRewriter.WholeBlocks(mask, form.Reason), provenance);
        var blocks = PackedBlock.Pack(mask, healed);
        if (blocks.Length == 0) throw new UnsupportedModelException("The mask removes every sublayer: no model is left.");
        var whole = blocks.All(block => block is { Attention: not null, Ffn: not null }) && mask.Units.Shape.Sublayers().All(sublayer => mask.IsGone(sublayer) || !mask.IsTouched(sublayer));
        if (whole && healed.IsEmpty) return BlockRewriter.Plan(source, blocks, provenance);

        // llama.cpp makes no context without any KV memory: where no attention is left, a block with a head of zeros goes before.
        if (blocks[0].Linear is not null && blocks.All(block => block.Attention is null)) blocks = blocks.Insert(0, new PackedBlock(null, null));
        var counts = blocks.Select((block, index) => CountsOf(block, index == 0 || !HasAttentionFree(form), mask)).ToArray();
        var edit = source.EditKeys();
        var regular = form is { Architecture: "deci", Heads: HeadOrder.Same } && counts.All(count => count == counts[0]) && healed.IsEmpty;
        SetKeys(edit, source.Model, counts, blocks, mask.Units.Shape, regular ? Architecture : form.Architecture);
        provenance.AddTo(edit);
        AddTensors(edit, source, blocks, new BlockTensors(source, mask, form, healed), HasAttentionFree(form));
        HealedTensors.PutBiases(edit, source, blocks, healed);
        return edit;
    }

    /// <summary>Only deci knows blocks without attention, and those not as the first one.</summary>
    private static bool HasAttentionFree(LeanForm form) => form.Architecture == "deci";

    /// <summary>Head count, KV head count and FFN width of a packed block.</summary>
    private static (int Heads, int KvHeads, int Ffn) CountsOf(PackedBlock block, bool standIn, CutMask mask)
    {
        // llama.cpp takes the head length of the whole model from block 0 only when that has heads: it gets one of zeros where it has none.
        var (heads, kvHeads) = standIn ? (1, 1) : (0, 0);
        if (block.Attention is { } attention)
        {
            var shape = mask.Units.Shape.Blocks[attention];
            kvHeads = shape.KvGroupCount - mask.RemovedParts(new Sublayer(attention, SublayerKind.Attention)).Length;
            heads = shape.HeadCount / shape.KvGroupCount * kvHeads;
        }
        else if (block.Linear is { } linear)
        {
            // Heads without KV heads: deci's linear attention.
            (heads, kvHeads) = (mask.Units.Shape.Blocks[linear.Sublayer.Block].HeadCount, 0);
        }

        // A width of 0 would drop the block whole, attention included: it gets one channel of zeros.
        var width = 1;
        if (block.Ffn is { } ffn)
        {
            var gone = ChannelRanges.Of(mask, new Sublayer(ffn, SublayerKind.Ffn)).Sum(range => range.End - range.Start);
            width = mask.Units.Shape.Blocks[ffn].FfnLength - gone;
        }

        return (heads, kvHeads, block.Site?.Rank ?? width);
    }

    private void SetKeys(GgufEdit edit, GgufModel source, (int Heads, int KvHeads, int Ffn)[] counts, IReadOnlyList<PackedBlock> blocks, ModelShape shape, string lean)
    {
        PerLayerKeys.RefuseUnknown(source, "attention.head_count", "attention.head_count_kv", "feed_forward_length", "deepstack_mapping");
        edit.Remove($"{Architecture}.deepstack_mapping");
        foreach (var key in source.KeyValues.Select(keyValue => keyValue.Key).Where(key => key.StartsWith($"{Architecture}.", StringComparison.Ordinal)).ToArray())
        {
            if (edit.Find(key) is not null) edit.RenameKey(key, $"{lean}{key[Architecture.Length..]}");
        }

        edit.Set(GgufKeys.Architecture, lean);
        edit.Set($"{lean}.block_count", (uint)counts.Length);
        edit.Set($"{lean}.attention.key_length", (uint)shape.HeadLength);
        edit.Set($"{lean}.attention.value_length", (uint)shape.HeadLength);
        edit.Set($"{lean}.rope.dimension_count", (uint)shape.HeadLength);
        edit.Set($"{lean}.attention.head_count", PerLayer(counts, count => count.Heads));
        edit.Set($"{lean}.attention.head_count_kv", PerLayer(counts, count => count.KvHeads));
        edit.Set($"{lean}.feed_forward_length", PerLayer(counts, count => count.Ffn));
        if (lean == "step35") Step35Keys.Set(edit, source, blocks, shape);
    }

    /// <summary>One value where all blocks have the same, which every architecture reads.</summary>
    private static GgufValue PerLayer((int Heads, int KvHeads, int Ffn)[] counts, Func<(int Heads, int KvHeads, int Ffn), int> value) =>
        counts.All(count => value(count) == value(counts[0])) ? GgufValue.Of((uint)value(counts[0])) : GgufValue.ArrayOf<uint>([.. counts.Select(count => (uint)value(count))]);

    private static void AddTensors(GgufEdit edit, GgufShards source, IReadOnlyList<PackedBlock> blocks, BlockTensors tensors, bool attentionFree)
    {
        var placed = false;
        foreach (var (file, tensor) in source.Tensors)
        {
            if (ModelShapeReader.PartsOf(tensor.Name) is null) edit.Add(GgufTensorPlan.Whole(file, tensor));
            else if (!placed)
            {
                placed = true;
                for (var index = 0; index < blocks.Count; index++) AddBlock(edit, tensors, blocks[index], index, index == 0 || !attentionFree);
            }
        }
    }

    private static void AddBlock(GgufEdit edit, BlockTensors tensors, PackedBlock block, int index, bool standIn)
    {
        var attention = block.Attention is { } attentionOf ? tensors.Kept(new Sublayer(attentionOf, SublayerKind.Attention), index)
            : block.Linear is { } linear ? HealedTensors.Of(linear, index)
            : standIn ? tensors.ZeroAttention(index)
            : [];
        var ffn = block.Ffn is { } ffnOf ? tensors.Kept(new Sublayer(ffnOf, SublayerKind.Ffn), index) : block.Site is { } site ? HealedTensors.Of(site, index) : tensors.ZeroFfn(index);
        foreach (var tensor in attention.Concat(ffn)) edit.Add(tensor);
    }
}
