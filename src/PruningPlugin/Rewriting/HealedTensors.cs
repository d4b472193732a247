using System.Numerics.Tensors;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Healing;

namespace FinerCut.Pruning.Rewriting;

/// <summary>Tensors that healing puts into a deci file (src/models/deci.cpp, v0.5.0).</summary>
internal static class HealedTensors
{
    /// <summary>silu of it is 1: a gate of zeros with this bias lets every channel pass.</summary>
    private const float Open = 1.2784645427610738f;

    /// <summary>A site as the FFN of a block: ffn_down · (1 ∘ (ffn_up · norm)) + bias.</summary>
    public static IEnumerable<GgufTensorPlan> Of(LowRankSite site, int block)
    {
        var (width, rank) = ((long)site.Width, (long)site.Rank);
        var gate = new byte[GgmlTypes.ByteCount(site.GateType, [width, rank])];
        var open = new float[site.Rank];
        Array.Fill(open, Open);
        return
        [
            GgufTensorPlan.Floats($"blk.{block}.ffn_norm.weight", [width], site.Norm.AsSpan()),
            new($"blk.{block}.ffn_gate.weight", site.GateType, [width, rank], GgufContent.Bytes(gate)),
            GgufTensorPlan.Floats($"blk.{block}.ffn_gate.bias", [rank], open),
            new($"blk.{block}.ffn_up.weight", site.UpType, [width, rank], GgufContent.Bytes(site.Up.AsMemory())),
            new($"blk.{block}.ffn_down.weight", site.DownType, [rank, width], GgufContent.Bytes(site.Down.AsMemory())),
            GgufTensorPlan.Floats($"blk.{block}.ffn_down.bias", [width], site.Bias.AsSpan()),
        ];
    }

    /// <summary>A site as the attention of a block: attn_output · norm.</summary>
    public static IEnumerable<GgufTensorPlan> Of(LinearSite site, int block) =>
    [
        GgufTensorPlan.Floats($"blk.{block}.attn_norm.weight", [site.Width], site.Norm.AsSpan()),
        new($"blk.{block}.attn_output.weight", site.Type, [site.Width, site.Width], GgufContent.Bytes(site.Weights.AsMemory())),
    ];

    /// <summary>Adds healed projections' biases, and says what was healed.</summary>
    public static void PutBiases(GgufEdit edit, GgufShards source, IReadOnlyList<PackedBlock> blocks, HealedModel healed)
    {
        if (healed.IsEmpty) return;
        foreach (var projection in healed.Projections)
        {
            var attention = projection.Sublayer.Kind == SublayerKind.Attention;
            var block = Enumerable.Range(0, blocks.Count).Single(index => (attention ? blocks[index].Attention : blocks[index].Ffn) == projection.Sublayer.Block);
            var name = $"blk.{block}.{projection.Tensor}";
            if (projection.Bias.Length == 0) continue;
            var sum = projection.Bias.ToArray();
            if (source.Find($"blk.{projection.Sublayer.Block}.{projection.Tensor}.bias") is var (file, tensor))
            {
                var own = new float[sum.Length];
                GgmlDecoder.Decode(tensor.Type, file.Data(tensor), own);
                TensorPrimitives.Add<float>(sum, own, sum);
            }

            var bias = GgufTensorPlan.Floats($"{name}.bias", [projection.Rows], sum);
            if (edit.FindTensor(bias.Name) is null) edit.Add(bias);
            else edit.Replace(bias.Name, bias);
        }

        edit.Set("finercut.healed", GgufValue.ArrayOf(healed.Summary));
    }
}
