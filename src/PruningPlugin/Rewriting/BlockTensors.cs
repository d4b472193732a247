using System.Collections.Immutable;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Pruning.Rewriting;

/// <summary>Tensors of a lean file's blocks: those kept of the source, cut where units are gone, projections that were fitted anew, and stand-ins that add nothing.</summary>
internal sealed class BlockTensors(GgufShards source, CutMask mask, LeanForm form, HealedModel healed)
{
    private readonly ModelShape _shape = mask.Units.Shape;

    /// <summary>openelm holds Q, K and V in one tensor and has norms of queries and keys.</summary>
    private readonly bool _fused = form.Architecture == "openelm";

    private readonly bool _experts = source.Find("blk.0.ffn_gate_exps.weight") is not null;

    /// <summary>What is left of a sublayer, as tensors of block <paramref name="block"/>.</summary>
    public IEnumerable<GgufTensorPlan> Kept(Sublayer sublayer, int block)
    {
        var tensors = SourceTensor.Of(source, _shape, sublayer, form.Heads).Select(tensor => Cut(tensor, sublayer)).ToList();
        if (_fused && sublayer.Kind == SublayerKind.Attention) tensors = Fused(tensors);
        if (form.Architecture == "step35" && _experts && sublayer.Kind == SublayerKind.Ffn) tensors.AddRange(ZeroChannel("_shexp", []));
        return tensors.Select(tensor => tensor with { Name = $"blk.{block}.{tensor.Name}" });
    }

    /// <summary>One channel of zeros: adds 0 to the stream.</summary>
    public IEnumerable<GgufTensorPlan> ZeroFfn(int block)
    {
        long width = _shape.EmbeddingLength;
        List<GgufTensorPlan> tensors = [GgufTensorPlan.Floats("ffn_norm.weight", [width], Ones(width))];
        if (form.Architecture == "step35" && !_experts)
        {
            // Its FFNs have one width, but a block may have experts instead: a single one, and the shared one that comes with it.
            tensors.Add(GgufTensorPlan.Floats("ffn_gate_inp.weight", [width, 1], new float[width]));
            tensors.AddRange(ZeroChannel("_exps", [1]));
            tensors.AddRange(ZeroChannel("_shexp", []));
        }
        else
        {
            tensors.AddRange(ZeroChannel("", []));
        }

        return tensors.Select(tensor => tensor with { Name = $"blk.{block}.{tensor.Name}" });
    }

    /// <summary>One head of zeros in the smallest type that fits: adds 0 to the stream, costs one head of KV cache.</summary>
    public IEnumerable<GgufTensorPlan> ZeroAttention(int block)
    {
        long width = _shape.EmbeddingLength;
        long head = _shape.HeadLength;
        yield return GgufTensorPlan.Floats($"blk.{block}.attn_norm.weight", [width], Ones(width));
        if (_fused)
        {
            yield return Zeros($"blk.{block}.attn_qkv.weight", width, 3 * head);
            yield return GgufTensorPlan.Floats($"blk.{block}.attn_q_norm.weight", [head], Ones(head));
            yield return GgufTensorPlan.Floats($"blk.{block}.attn_k_norm.weight", [head], Ones(head));
        }
        else
        {
            foreach (var name in (string[])["attn_q", "attn_k", "attn_v"]) yield return Zeros($"blk.{block}.{name}.weight", width, head);
        }

        yield return Zeros($"blk.{block}.attn_output.weight", head, width);
    }

    private IEnumerable<GgufTensorPlan> ZeroChannel(string suffix, ImmutableArray<long> experts)
    {
        long width = _shape.EmbeddingLength;
        var zeros = new float[width];
        yield return GgufTensorPlan.Floats($"ffn_gate{suffix}.weight", [width, 1, .. experts], zeros);
        yield return GgufTensorPlan.Floats($"ffn_up{suffix}.weight", [width, 1, .. experts], zeros);
        yield return GgufTensorPlan.Floats($"ffn_down{suffix}.weight", [1, width, .. experts], zeros);
    }

    private GgufTensorPlan Cut(SourceTensor tensor, Sublayer sublayer)
    {
        var channels = ChannelRanges.Of(mask, sublayer).Select(range => new GgufRange(range.Start, range.End - range.Start)).ToArray();
        if (FileUnits.IsShared(tensor.Name) || (channels.Length == 0 && tensor.Tensor.Shape.Length > 2)) return GgufTensorPlan.Whole(tensor.File, tensor.Tensor) with { Name = tensor.Name };

        var weight = healed.Projections.FirstOrDefault(projection => projection.Sublayer == sublayer && $"{projection.Tensor}.weight" == tensor.Name);
        if (weight is { Weights.Length: > 0 }) return new GgufTensorPlan(tensor.Name, weight.Type, [weight.Columns, weight.Rows], GgufContent.Bytes(weight.Weights.AsMemory()));

        // Columns of what takes the channels; rows of what makes them, of K and V one head a group.
        if (tensor.Name is "attn_output.weight" or "ffn_down.weight") return tensor.WithoutColumns(channels);
        var ofGroup = tensor.Name.StartsWith("attn_k.", StringComparison.Ordinal) || tensor.Name.StartsWith("attn_v.", StringComparison.Ordinal);
        return tensor.WithoutRows(ofGroup ? mask.RemovedParts(sublayer).Select(part => new GgufRange(part * (long)_shape.HeadLength, _shape.HeadLength)) : channels);
    }

    private static List<GgufTensorPlan> Fused(List<GgufTensorPlan> tensors)
    {
        GgufTensorPlan[] parts = [.. ((string[])["attn_q.weight", "attn_k.weight", "attn_v.weight"]).Select(name => tensors.Single(tensor => tensor.Name == name))];
        var fused = new GgufTensorPlan("attn_qkv.weight", parts[0].Type, [parts[0].Shape[0], parts.Sum(part => part.Shape[1])], GgufContent.Concat([.. parts.Select(part => part.Content)]));
        return [.. tensors.Where(tensor => !parts.Contains(tensor)), fused];
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
