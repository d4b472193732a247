using FinerCut.Masks;

namespace FinerCut.Pruning.Scoring;

/// <summary>Which sublayer a weight is the output projection of, by llama.cpp's tensor names. Pure.</summary>
internal static class WeightNames
{
    public static bool TryParseOutput(string name, out Sublayer sublayer)
    {
        sublayer = default;
        var parts = name.Split('.');
        if (parts is not ["blk", var number, var tensor, "weight"] || !int.TryParse(number, out var block)) return false;
        switch (tensor)
        {
            case "attn_output" or "ssm_out": sublayer = new Sublayer(block, SublayerKind.Attention); return true;
            case "ffn_down" or "ffn_down_exps": sublayer = new Sublayer(block, SublayerKind.Ffn); return true;
            default: return false;
        }
    }
}
