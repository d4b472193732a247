using System.Collections.Immutable;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Pruning.Rewriting;

/// <summary>
/// Leaves whole blocks out of models of any architecture that <see cref="DecoderRules"/> knows: the rest is numbered anew, all per-layer arrays
/// are cut, and what follows from a block's number is written down for it or refused. The file stays of its architecture; tensors are untouched.
/// </summary>
public sealed class BlockRewriter(string architecture) : IArchitectureRewriter
{
    public string Architecture => architecture;

    public GgufEdit Plan(GgufShards source, CutMask mask, Provenance provenance, HealedModel? healed = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(mask);
        ArgumentNullException.ThrowIfNull(provenance);
        if (healed is { IsEmpty: false }) throw new UnsupportedModelException($"Lean {architecture} models are not healed: they are not written as deci.");
        return Plan(source, WholeBlocks(mask, LeanForm.Of(source.Model).Reason), provenance);
    }

    /// <summary>What stays when a mask removes whole blocks.</summary>
    /// <param name="mask">What is gone.</param>
    /// <param name="reason">Why less than a block cannot go.</param>
    /// <exception cref="UnsupportedModelException">A block is gone in part, or all are gone.</exception>
    internal static ImmutableArray<PackedBlock> WholeBlocks(CutMask mask, string reason)
    {
        var shape = mask.Units.Shape;
        var kept = ImmutableArray.CreateBuilder<PackedBlock>();
        for (var block = 0; block < shape.Blocks.Length; block++)
        {
            Sublayer[] sublayers = [.. shape.Sublayers().Where(sublayer => sublayer.Block == block)];
            if (sublayers.Length > 0 && sublayers.All(mask.IsGone)) continue;
            if (sublayers.FirstOrDefault(mask.IsTouched, new Sublayer(-1, SublayerKind.Attention)) is { Block: >= 0 } touched)
            {
                throw new UnsupportedModelException($"{touched} cannot be left out alone, only block {block} as a whole ({string.Join(',', sublayers)}): {reason}.");
            }

            kept.Add(new PackedBlock(block, block));
        }

        return kept.Any(block => shape.Sublayers().Any(sublayer => sublayer.Block == block.Attention)) ? kept.ToImmutable() : throw new UnsupportedModelException("The mask removes every sublayer: no model is left.");
    }

    /// <summary>The file with the given blocks, in the source's architecture.</summary>
    internal static GgufEdit Plan(GgufShards source, ImmutableArray<PackedBlock> blocks, Provenance provenance)
    {
        var model = source.Model;
        var rules = DecoderRules.Of(model);
        ImmutableArray<int> numbers = [.. blocks.Select(block => block.Attention ?? block.Ffn!.Value)];
        RefuseMoved(model, rules, numbers);
        RefuseLastOfKind(model, numbers);
        var edit = source.EditKeys();
        WriteDown(edit, model, rules);
        var windows = HasWindow(edit, model);
        PerLayerKeys.Cut(edit, model, blocks);
        if (windows && !HasWindow(edit, model)) throw new UnsupportedModelException($"All blocks with a sliding window would go, and llama.cpp wants one in a {model.Architecture} model. Keep one of them.");
        edit.Set($"{model.Architecture}.block_count", (uint)blocks.Length);
        var dense = $"{model.Architecture}.leading_dense_block_count";
        if (model.Find(dense) is not null) edit.Set(dense, (uint)numbers.Count(number => number < model.GetInt32(dense)));
        provenance.AddTo(edit);
        AddTensors(edit, source, blocks);
        return edit;
    }

    /// <summary>What llama.cpp derives from a block's number where no key says it; what a key can say is written down by <see cref="WriteDown"/>.</summary>
    private static void RefuseMoved(GgufModel model, DecoderRules rules, ImmutableArray<int> numbers)
    {
        var architecture = model.Architecture;
        var stay = rules.StayKey is { } key ? model.GetInt32($"{architecture}.{key}", 0) : rules.Stay;
        if (!numbers.Take(stay).SequenceEqual(Enumerable.Range(0, stay)))
        {
            throw new UnsupportedModelException($"The first {stay} blocks of a {architecture} model must stay: they are addressed by number.");
        }

        foreach (var period in (int[])[rules.Period, rules.PeriodKey is { } held ? model.GetInt32($"{architecture}.{held}", 0) : 0])
        {
            if (period < 2) continue;
            for (var place = 0; place < numbers.Length; place++)
            {
                if (rules.IsSpecial(numbers[place], period) == rules.IsSpecial(place, period)) continue;
                throw new UnsupportedModelException(
                    $"Block {numbers[place]} would become block {place}, but every {period}th block of a {architecture} model is of another kind, by its number. Leave out {period} neighbouring blocks, or a multiple.");
            }
        }

        if (architecture == "deci" && model.GetInt32s("deci.attention.head_count", model.GetInt32("deci.block_count"))[numbers[0]] == 0)
        {
            throw new UnsupportedModelException($"Block {numbers[0]} would become the first one, but it has no attention, and llama.cpp takes the length of heads from the first block. Keep one with attention before it.");
        }
    }

    private static bool HasWindow(GgufEdit edit, GgufModel model) =>
        edit.Find($"{model.Architecture}.attention.sliding_window_pattern") is { IsArray: true } pattern && pattern.Encoded.Span.ContainsAnyExcept((byte)0);

    /// <summary>llama.cpp keeps a memory of its own for recurrent blocks and one for attention, and aborts on a graph that uses only one of the two.</summary>
    private static void RefuseLastOfKind(GgufModel model, ImmutableArray<int> numbers)
    {
        foreach (var kind in (string[])["ssm_", "shortconv", "attn_output"])
        {
            var having = model.Tensors.Select(tensor => ModelShapeReader.PartsOf(tensor.Name)).Where(parts => parts?.Tensor.StartsWith(kind, StringComparison.Ordinal) == true).Select(parts => parts!.Value.Block).ToHashSet();
            if (having.Count > 0 && !numbers.Any(having.Contains)) throw new UnsupportedModelException($"All blocks with {kind}* tensors would go, and llama.cpp wants one of each kind in a {model.Architecture} model. Keep one of them.");
        }
    }

    /// <summary>Periodic patterns as arrays, so that they can be cut; a scale that follows the number of blocks as what it is.</summary>
    private static void WriteDown(GgufEdit edit, GgufModel model, DecoderRules rules)
    {
        var architecture = model.Architecture;
        var blocks = model.GetInt32($"{architecture}.block_count");
        var decoding = blocks - model.GetInt32($"{architecture}.nextn_predict_layers", 0);
        Pattern("attention.sliding_window_pattern", "attention.sliding_window_pattern", rules.SlidingPeriod);
        Pattern("attention.recurrent_layers", "full_attention_interval", rules.RecurrentPeriod);
        if (rules.ResidualScale && model.Find($"{architecture}.residual_scale") is null) edit.Set($"{architecture}.residual_scale", 1.4f / MathF.Sqrt(decoding));

        void Pattern(string key, string periodKey, int otherwise)
        {
            if (otherwise == 0 || model.Find($"{architecture}.{key}") is { IsArray: true }) return;
            var period = model.GetInt32($"{architecture}.{periodKey}", otherwise);
            edit.Set($"{architecture}.{key}", GgufValue.ArrayOf<bool>([.. Enumerable.Range(0, blocks).Select(block => block < decoding && (period == 0 || !rules.IsSpecial(block, period)))]));
        }
    }

    private static void AddTensors(GgufEdit edit, GgufShards source, ImmutableArray<PackedBlock> blocks)
    {
        var byBlock = source.Tensors.ToLookup(tensor => ModelShapeReader.PartsOf(tensor.Tensor.Name)?.Block);
        var placed = false;
        foreach (var (file, tensor) in source.Tensors)
        {
            if (ModelShapeReader.PartsOf(tensor.Name) is null) edit.Add(GgufTensorPlan.Whole(file, tensor));
            else if (!placed)
            {
                placed = true;
                for (var place = 0; place < blocks.Length; place++) AddBlock(edit, byBlock, blocks[place], place);
            }
        }
    }

    private static void AddBlock(GgufEdit edit, ILookup<int?, (GgufFile File, GgufTensorInfo Tensor)> tensors, PackedBlock block, int place)
    {
        foreach (var kind in (SublayerKind[])[SublayerKind.Attention, SublayerKind.Ffn])
        {
            foreach (var (file, tensor) in tensors[kind == SublayerKind.Attention ? block.Attention : block.Ffn])
            {
                var name = ModelShapeReader.PartsOf(tensor.Name)!.Value.Tensor;
                if (ModelShapeReader.KindOf(name, anyName: true) == kind) edit.Add(GgufTensorPlan.Whole(file, tensor) with { Name = $"blk.{place}.{name}" });
            }
        }
    }
}
