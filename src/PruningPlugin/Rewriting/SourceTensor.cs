using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Pruning.Rewriting;

/// <summary>
/// A tensor of a block under the name that lean files know it by: a source tensor, or rows of one that holds several (attn_qkv, phi3's ffn_up).
/// </summary>
/// <param name="Name">Without block number, such as attn_q.weight.</param>
/// <param name="First">Its first row in the source tensor.</param>
/// <param name="Count">Rows; elements of a bias.</param>
internal sealed record SourceTensor(string Name, GgufFile File, GgufTensorInfo Tensor, long First, long Count)
{
    /// <summary>Length of the heads whose rows are reordered; 0 = rows stay.</summary>
    public int ReorderedHead { get; init; }

    public HeadOrder Order { get; init; }

    /// <summary>Rows of a matrix, elements of a bias.</summary>
    public int RowDimension => Tensor.Shape.Length == 1 ? 0 : 1;

    /// <summary>The tensor without rows, in the order that lean files want.</summary>
    public GgufTensorPlan WithoutRows(IEnumerable<GgufRange> removed)
    {
        var kept = GgufRange.AllBut(Count, removed);
        return ReorderedHead == 0 && kept is [{ Start: 0 } all] && all.Count == Tensor.Shape[RowDimension]
            ? GgufTensorPlan.Whole(File, Tensor) with { Name = Name }
            : GgufTensorPlan.Keep(File, Tensor, RowDimension, [.. kept.SelectMany(InSource)]) with { Name = Name };
    }

    /// <summary>The tensor without columns: what takes the channels of removed units.</summary>
    public GgufTensorPlan WithoutColumns(IReadOnlyCollection<GgufRange> removed) =>
        removed.Count == 0 ? GgufTensorPlan.Whole(File, Tensor) with { Name = Name } : GgufTensorPlan.Keep(File, Tensor, 0, GgufRange.AllBut(Tensor.Columns, removed)) with { Name = Name };

    /// <summary>All tensors of a sublayer, fused ones split.</summary>
    public static IEnumerable<SourceTensor> Of(GgufShards source, ModelShape shape, Sublayer sublayer, HeadOrder order)
    {
        var block = shape.Blocks[sublayer.Block];
        var (queries, keys) = ((long)block.HeadCount * shape.HeadLength, (long)block.KvGroupCount * shape.HeadLength);
        foreach (var (file, tensor) in source.Tensors)
        {
            if (ModelShapeReader.PartsOf(tensor.Name) is not var (of, name) || of != sublayer.Block || ModelShapeReader.KindOf(name) != sublayer.Kind) continue;
            var whole = new SourceTensor(name, file, tensor, 0, tensor.Shape[tensor.Shape.Length == 1 ? 0 : 1]);
            var parts = name switch
            {
                "attn_qkv.weight" or "attn_qkv.bias" =>
                [
                    whole with { Name = name.Replace("qkv", "q", StringComparison.Ordinal), Count = queries },
                    whole with { Name = name.Replace("qkv", "k", StringComparison.Ordinal), First = queries, Count = keys },
                    whole with { Name = name.Replace("qkv", "v", StringComparison.Ordinal), First = queries + keys, Count = keys },
                ],
                // silu of the first half times the second (ggml_swiglu).
                "ffn_up.weight" when shape.Architecture == "phi3" =>
                [
                    whole with { Name = "ffn_gate.weight", Count = block.FfnLength },
                    whole with { First = block.FfnLength, Count = block.FfnLength },
                ],
                _ => (SourceTensor[])[whole],
            };
            foreach (var part in parts)
            {
                var rotated = order != HeadOrder.Same && (part.Name.StartsWith("attn_q.", StringComparison.Ordinal) || part.Name.StartsWith("attn_k.", StringComparison.Ordinal));
                yield return rotated ? part with { ReorderedHead = shape.HeadLength, Order = order } : part;
            }
        }
    }

    private IEnumerable<GgufRange> InSource(GgufRange kept)
    {
        if (ReorderedHead == 0) return [new(First + kept.Start, kept.Count)];
        var half = ReorderedHead / 2;
        return Enumerable.Range(0, (int)kept.Count).Select(row =>
        {
            var (head, at) = (row / ReorderedHead * ReorderedHead, row % ReorderedHead);
            var old = Order == HeadOrder.NeoxToNorm ? (at / 2) + (at % 2 * half) : (at % half * 2) + (at / half);
            return new GgufRange(First + kept.Start + head + old, 1);
        });
    }
}
