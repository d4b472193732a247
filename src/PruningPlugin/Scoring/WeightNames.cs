using FinerCut.Masks;

namespace FinerCut.Pruning.Scoring;

/// <summary>
/// Where a graph's backend changes, what the next one reads of the one before is a copy that is no node: Vulkan0#ffn_out-3#0 (ggml-backend.cpp, ggml_backend_sched_split_graph). Of nodes of
/// one name the latest before the copy's reader is taken for what was copied: what layers hand on (branches, streams) has names of its own, and names that were cut at 63 bytes are not found. Pure.
/// </summary>
internal static class CopyNames
{
    public static bool TryParse(string name, out string original)
    {
        var (first, last) = (name.IndexOf('#', StringComparison.Ordinal), name.LastIndexOf('#'));
        original = first >= 0 && last > first ? name[(first + 1)..last] : "";
        return original.Length > 0;
    }
}

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
