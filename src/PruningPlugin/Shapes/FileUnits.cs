using System.Collections.Immutable;
using FinerCut.Gguf;
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
    public static UnitMap Fine(GgufModel model, ModelShape shape, int slices)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(shape);
        var slicesOf = UnitMap.Fine(shape, ChannelBlock(model, shape), slices);
        var whole = UnitMap.Sublayers(shape, slicesOf.ChannelBlock);
        var parts = ImmutableArray.CreateBuilder<ImmutableArray<ImmutableArray<int>>>(2 * shape.Blocks.Length);
        for (var block = 0; block < shape.Blocks.Length; block++)
        {
            parts.Add(shape.SublayersAlone ? MergedGroups(shape, block, BlockSize(model.GetTensor($"blk.{block}.attn_output.weight"))) : whole.Parts[2 * block]);
            parts.Add((shape.FfnUnits ? slicesOf : whole).Parts[(2 * block) + 1]);
        }

        return new UnitMap(shape, slicesOf.ChannelBlock, parts.MoveToImmutable());
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
