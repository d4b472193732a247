using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Pruning.Rewriting;

/// <summary>Tensors of a lean file's blocks: those kept of the source, cut where units are gone, and stand-ins that add nothing.</summary>
internal sealed class BlockTensors(GgufFile source, CutMask mask)
{
    private readonly ModelShape _shape = mask.Units.Shape;

    /// <summary>What is left of a sublayer, as tensors of block <paramref name="block"/>.</summary>
    public IEnumerable<GgufTensorPlan> Kept(Sublayer sublayer, int block)
    {
        var channels = ChannelRanges.Of(mask, sublayer).Select(range => new GgufRange(range.Start, range.End - range.Start)).ToArray();
        var groups = mask.RemovedParts(sublayer).Select(part => new GgufRange(part * (long)_shape.HeadLength, _shape.HeadLength)).ToArray();
        foreach (var tensor in source.Model.Tensors)
        {
            if (ModelShapeReader.PartsOf(tensor.Name) is not var (of, name) || of != sublayer.Block || ModelShapeReader.KindOf(name) != sublayer.Kind) continue;
            var removed = name.StartsWith("attn_k.", StringComparison.Ordinal) || name.StartsWith("attn_v.", StringComparison.Ordinal) ? groups : channels;
            var plan = removed.Length == 0 || FileUnits.IsShared(name) ? GgufTensorPlan.Whole(source, tensor) : Cut(tensor, name, removed);
            yield return plan with { Name = $"blk.{block}.{name}" };
        }
    }

    /// <summary>One channel of zeros: adds 0 to the stream.</summary>
    public IEnumerable<GgufTensorPlan> ZeroFfn(int block)
    {
        long width = _shape.EmbeddingLength;
        var zeros = new float[width];
        return
        [
            GgufTensorPlan.Floats($"blk.{block}.ffn_norm.weight", [width], Ones(width)),
            GgufTensorPlan.Floats($"blk.{block}.ffn_gate.weight", [width, 1], zeros),
            GgufTensorPlan.Floats($"blk.{block}.ffn_up.weight", [width, 1], zeros),
            GgufTensorPlan.Floats($"blk.{block}.ffn_down.weight", [1, width], zeros),
        ];
    }

    /// <summary>One head of zeros in the smallest type that fits: adds 0 to the stream, costs one head of KV cache.</summary>
    public IEnumerable<GgufTensorPlan> ZeroAttention(int block)
    {
        long width = _shape.EmbeddingLength;
        long head = _shape.HeadLength;
        return
        [
            GgufTensorPlan.Floats($"blk.{block}.attn_norm.weight", [width], Ones(width)),
            Zeros($"blk.{block}.attn_q.weight", width, head),
            Zeros($"blk.{block}.attn_k.weight", width, head),
            Zeros($"blk.{block}.attn_v.weight", width, head),
            Zeros($"blk.{block}.attn_output.weight", head, width),
        ];
    }

    private GgufTensorPlan Cut(GgufTensorInfo tensor, string name, GgufRange[] removed)
    {
        // Rows of what makes channels, columns of what takes them; a bias of the former has one element a row.
        var dimension = name is "attn_output.weight" or "ffn_down.weight" || tensor.Shape.Length == 1 ? 0 : 1;
        return GgufTensorPlan.Keep(source, tensor, dimension, GgufRange.AllBut(tensor.Shape[dimension], removed));
    }

    private static GgufTensorPlan Zeros(string name, long columns, long rows)
    {
        // All bytes zero is zero in both types: scale and weights.
        var type = columns % GgmlTypes.Of(GgmlType.Q4_0).BlockSize == 0 ? GgmlType.Q4_0 : GgmlType.F16;
        return new GgufTensorPlan(name, type, [columns, rows], GgufContent.Bytes(new byte[GgmlTypes.ByteCount(type, [columns, rows])]));
    }

    private static float[] Ones(long count)
    {
        var ones = new float[count];
        Array.Fill(ones, 1f);
        return ones;
    }
}
