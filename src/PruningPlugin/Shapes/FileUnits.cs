using System.Collections.Immutable;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Shapes;

/// <summary>Units that a given file can be cut into without requantising, and what each one saves. Pure.</summary>
public static class FileUnits
{
    /// <summary>
    /// Channels of a block where the type has none of its own (F32, F16, BF16): the widest stride of the CPU's dot products, so that what is
    /// left keeps its place in the sums and with it every bit (GGML_F32_STEP with AVX-512).
    /// </summary>
    private const int UnquantisedBlock = 64;

    /// <summary>Whole sublayers: the paper's grain.</summary>
    public static UnitMap Sublayers(GgufModel model, ModelShape shape) => UnitMap.Sublayers(shape, ChannelBlock(model, shape));

    /// <summary>
    /// KV-head groups, merged until they end at a block of attn_output's columns, and <paramref name="slices"/> contiguous slices of each FFN;
    /// whole sublayers where the model's lean files cannot have less of one.
    /// </summary>
    public static UnitMap Fine(GgufModel model, ModelShape shape, int slices) => Divide(model, shape, wholeAttention: false, slices, null);

    /// <summary>The units that moves of the given grains need: attention whole or by KV-head groups, FFNs whole or in slices.</summary>
    /// <param name="slices">Slices of each FFN where FFN slices are among the grains; fewer where it has fewer channel blocks.</param>
    /// <param name="importance">What fills the slices, least important first; null = channels in the file's order.</param>
    public static UnitMap For(GgufModel model, ModelShape shape, IReadOnlyCollection<PruneGrain> grains, int slices, ChannelImportance? importance)
    {
        ArgumentNullException.ThrowIfNull(grains);
        return Divide(model, shape, !grains.Contains(PruneGrain.KvGroup), grains.Contains(PruneGrain.FfnSlice) ? slices : 1, importance);
    }

    /// <summary>What a reader should know where units are larger than was asked for, since they end where quantisation blocks end; null where none is.</summary>
    /// <param name="slices">Of each FFN, that were asked for.</param>
    public static string? Merged(UnitMap units, IReadOnlyCollection<PruneGrain> grains, int slices)
    {
        ArgumentNullException.ThrowIfNull(units);
        ArgumentNullException.ThrowIfNull(grains);
        int UnitsOf(int block, SublayerKind kind) => units.Parts[new Sublayer(block, kind).Order].Length;
        var blocks = Enumerable.Range(0, units.Shape.Blocks.Length);
        var groups = grains.Contains(PruneGrain.KvGroup) && units.Shape.SublayersAlone ? blocks.Count(block => UnitsOf(block, SublayerKind.Attention) < units.Shape.Blocks[block].KvGroupCount) : 0;
        int[] wide = grains.Contains(PruneGrain.FfnSlice) && units.Shape.FfnUnits ? [.. blocks.Select(block => UnitsOf(block, SublayerKind.Ffn)).Where(count => count > 0 && count < slices)] : [];
        if (groups + wide.Length == 0) return null;
        var attention = groups == 0 ? "" : $" KV-head groups of {groups} attentions are merged.";
        var ffn = wide.Length == 0 ? "" : $" {wide.Length} FFNs have {(wide.Min() == wide.Max() ? $"{wide.Min()}" : $"{wide.Min()} to {wide.Max()}")} slices instead of {slices}.";
        return $"Units end where quantisation blocks end.{attention}{ffn}";
    }

    /// <summary>Channels of one block of ffn_down's columns, the same for every FFN of the file.</summary>
    public static int ChannelBlock(GgufModel model, ModelShape shape)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(shape);
        if (!shape.FfnUnits) return Math.Max(1, shape.Blocks.Max(block => block.FfnLength));
        return Enumerable.Range(0, shape.Blocks.Length).Max(block => BlockSize(model.GetTensor($"blk.{block}.ffn_down.weight"))) is > 1 and var size ? size : UnquantisedBlock;
    }

    /// <summary>What units save in this file, byte by byte: norms and output biases go with the last unit of their sublayer.</summary>
    public static UnitCosts Costs(GgufModel model, UnitMap units)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(units);
        var shape = units.Shape;
        var divided = new long[units.Parts.Length];
        foreach (var tensor in model.Tensors)
        {
            if (ModelShapeReader.PartsOf(tensor.Name) is not var (block, name) || IsShared(name)) continue;
            divided[(2 * block) + (int)ModelShapeReader.KindOf(name, !shape.SublayersAlone)] += tensor.ByteCount;
        }

        var bytes = ImmutableArray.CreateBuilder<long>(units.Count);
        var shared = ImmutableArray.CreateBuilder<long>(units.Parts.Length);
        for (var order = 0; order < units.Parts.Length; order++)
        {
            var sublayer = Sublayer.FromOrder(order);
            var total = Math.Max(1, sublayer.Kind == SublayerKind.Attention ? shape.Blocks[sublayer.Block].KvGroupCount : shape.Blocks[sublayer.Block].FfnLength);
            var given = 0L;
            foreach (var parts in units.Parts[order])
            {
                var share = sublayer.Kind == SublayerKind.Attention ? parts.Length : parts.Sum(part => Math.Min(units.ChannelBlock, total - (part * units.ChannelBlock)));
                bytes.Add(divided[order] * share / total);
                given += bytes[^1];
            }

            shared.Add(units.Parts[order].Length == 0 ? 0 : shape.BytesOf(sublayer) - given);
        }

        return new UnitCosts(units, bytes.MoveToImmutable(), shared.MoveToImmutable());
    }

    /// <summary>Whether a block's tensor belongs to the sublayer as a whole: no rows or columns of it go with a unit.</summary>
    public static bool IsShared(string tensor) => BlockTensorNames.IsShared(tensor);

    /// <summary>Each unit's share of what its sublayer adds: by importance where it is known (FFN channels), by size otherwise.</summary>
    public static ImmutableArray<double> Weights(UnitMap units, ChannelImportance? importance)
    {
        ArgumentNullException.ThrowIfNull(units);
        return [.. Enumerable.Range(0, units.Count).Select(index =>
        {
            var unit = units.UnitAt(index);
            var parts = units.Parts[unit.Sublayer.Order][unit.Index];
            if (importance is null || unit.Sublayer.Kind == SublayerKind.Attention) return Math.Max(1.0, parts.Length);
            var blocks = importance.OfBlocks(unit.Sublayer.Block, units.ChannelBlock);
            return parts.Sum(part => blocks[part]);
        })];
    }

    private static UnitMap Divide(GgufModel model, ModelShape shape, bool wholeAttention, int slices, ChannelImportance? importance)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(shape);
        var channelBlock = ChannelBlock(model, shape);
        var coarse = UnitMap.Sublayers(shape, channelBlock);
        var contiguous = UnitMap.Fine(shape, channelBlock, slices);
        var parts = ImmutableArray.CreateBuilder<ImmutableArray<ImmutableArray<int>>>(2 * shape.Blocks.Length);
        for (var block = 0; block < shape.Blocks.Length; block++)
        {
            var (attention, ffn) = (new Sublayer(block, SublayerKind.Attention), new Sublayer(block, SublayerKind.Ffn));
            var whole = wholeAttention || !shape.SublayersAlone || shape.Blocks[block].KvGroupCount == 0;
            parts.Add(whole ? coarse.Parts[attention.Order] : MergedGroups(shape, block, BlockSize(model.GetTensor($"blk.{block}.attn_output.weight"))));
            if (!shape.FfnUnits) parts.Add(coarse.Parts[ffn.Order]);
            else parts.Add(importance is null ? contiguous.Parts[ffn.Order] : Ranked(contiguous.Parts[ffn.Order], importance.OfBlocks(block, channelBlock)));
        }

        return new UnitMap(shape, channelBlock, parts.MoveToImmutable());
    }

    /// <summary>The same numbers of channel blocks a slice, the least important ones in the first.</summary>
    private static ImmutableArray<ImmutableArray<int>> Ranked(ImmutableArray<ImmutableArray<int>> contiguous, ImmutableArray<double> importance)
    {
        int[] order = [.. Enumerable.Range(0, importance.Length).OrderBy(block => importance[block]).ThenBy(block => block)];
        return [.. contiguous.Select(slice => slice.Select(at => order[at]).Order().ToImmutableArray())];
    }

    private static ImmutableArray<ImmutableArray<int>> MergedGroups(ModelShape shape, int block, int alignment)
    {
        var groups = shape.Blocks[block].KvGroupCount;
        var width = shape.Blocks[block].HeadCount / groups * shape.HeadLength;
        var units = ImmutableArray.CreateBuilder<ImmutableArray<int>>();
        var start = 0;
        for (var end = 1; end <= groups; end++)
        {
            if (end < groups && end * width % alignment != 0) continue;
            units.Add([.. Enumerable.Range(start, end - start)]);
            start = end;
        }

        return units.ToImmutable();
    }

    private static int BlockSize(GgufTensorInfo tensor) => GgmlTypes.Of(tensor.Type).BlockSize;
}
