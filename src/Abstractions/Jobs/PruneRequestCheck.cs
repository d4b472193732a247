using System.Collections.Immutable;
using System.Globalization;
using FinerCut.Masks;

namespace FinerCut.Jobs;

/// <summary>One value of a request that is not allowed.</summary>
/// <param name="Path">Where it stands in the JSON, such as gate.confidence.</param>
/// <param name="Value">As given.</param>
/// <param name="Allowed">What may stand there.</param>
public sealed record RequestDefect(string Path, string Value, string Allowed)
{
    public override string ToString() => $"{Path}: {Value} is not allowed; expected {Allowed}.";
}

/// <summary>Checks a prune request's values without touching any file. Pure: the Gateway asks it at the door, the Worker again.</summary>
public static class PruneRequestCheck
{
    /// <summary>All defects at once; empty where the request may run.</summary>
    public static ImmutableArray<RequestDefect> Check(PruneRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var defects = ImmutableArray.CreateBuilder<RequestDefect>();
        void Expect(bool holds, string path, object? value, string allowed)
        {
            if (!holds) defects.Add(new RequestDefect(path, Convert.ToString(value, CultureInfo.InvariantCulture) is { Length: > 0 } text ? text : "nothing", allowed));
        }

        Expect(!string.IsNullOrWhiteSpace(request.JobId), "job_id", request.JobId, "a name");
        Expect(!string.IsNullOrWhiteSpace(request.ModelPath), "model_path", request.ModelPath, "a GGUF file");
        Expect(!string.IsNullOrWhiteSpace(request.OutputPath), "output_path", request.OutputPath, "a file to write");
        Expect(!string.IsNullOrWhiteSpace(request.WorkFolder), "work_folder", request.WorkFolder, "a folder");
        Expect(!string.IsNullOrWhiteSpace(request.CalibrationPath), "calibration_path", request.CalibrationPath, "a file of JSON lines");
        Expect(!string.IsNullOrWhiteSpace(request.HeldOutPath), "held_out_path", request.HeldOutPath, "a file of JSON lines");
        Expect(
            string.IsNullOrEmpty(request.ModelPath) || !string.Equals(request.ModelPath, request.OutputPath, StringComparison.Ordinal),
            "output_path", request.OutputPath, "another file than the model");
        Check(request.Budget, Expect);
        Expect(Enum.IsDefined(request.Search), "search", request.Search, "one of the searches in docs/pruning.md");
        Expect(Enum.IsDefined(request.Measure), "distance", request.Measure, "one of the measures in docs/pruning.md");
        Expect(Enum.IsDefined(request.DistanceTokens), "distance_tokens", request.DistanceTokens, "all or answers");
        Expect(request.TopK is >= 1 and <= 65_536, "top_k", request.TopK, "1 to 65536");
        Expect(Enum.IsDefined(request.Healing), "healing", request.Healing, "none, constant, low_rank, linear, refit or auto");
        Expect(request.MaxHealingTokens == 0 || request.MaxHealingTokens >= request.MinTokens, "max_healing_tokens", request.MaxHealingTokens, $"0, or at least min_tokens ({request.MinTokens})");
        Expect(request.GeneralTextPath is null || request.GeneralTextPath.Length > 0, "general_text_path", request.GeneralTextPath, "a text file, or nothing");
        foreach (var grain in request.Grains.IsDefault ? [] : request.Grains) Expect(Enum.IsDefined(grain), "grains", grain, "block, sublayer, kv_group or ffn_slice");
        Expect(
            request.Search is not (SearchKind.ShortGpt or SearchKind.LastBlocks or SearchKind.Sleb) || request.Grains.IsDefaultOrEmpty || request.Grains is [PruneGrain.Block],
            "grains", string.Join(", ", request.Grains.IsDefault ? [] : request.Grains), "nothing, or block: that search is one of whole blocks");
        Expect(request.SlicesPerFfn is >= 0 and <= 65_536, "slices_per_ffn", request.SlicesPerFfn, "0 (the search's own number) to 65536");
        Expect(Enum.IsDefined(request.ChannelOrder), "channel_order", request.ChannelOrder, "importance or file");
        Check(request.Gate, Expect);
        foreach (var name in request.Keep.IsDefault ? [] : request.Keep) Expect(Sublayer.TryParse(name, out _), "keep", name, "a sublayer such as attn:0 or ffn:7");
        Expect(request.Only is not { } only || Enum.IsDefined(only), "only", request.Only, "attention or ffn");
        Expect(request.Only is null || request.Grains.IsDefaultOrEmpty || !request.Grains.Contains(PruneGrain.Block), "only", request.Only, "nothing where grains has block: a block is both");
        Expect(!request.WarmUp || request.Search == SearchKind.Paper, "warm_up", request.WarmUp, "false, or search paper");
        Expect(request.MaxSequenceTokens is >= 8 and <= 8192, "max_sequence_tokens", request.MaxSequenceTokens, "8 to 8192");
        Expect(request.MinTokens >= 1, "min_tokens", request.MinTokens, "at least 1");
        Expect(request.MaxCalibrationTokens >= request.MinTokens, "max_calibration_tokens", request.MaxCalibrationTokens, $"at least min_tokens ({request.MinTokens})");
        Expect(request.MaxHeldOutTokens >= request.MinTokens, "max_held_out_tokens", request.MaxHeldOutTokens, $"at least min_tokens ({request.MinTokens})");
        Expect(request.MemoryBytes is null or >= 1 << 20, "memory_bytes", request.MemoryBytes, "at least 1048576");
        Expect(request.Threads is >= 0 and <= 1024, "threads", request.Threads, "0 (the machine's processors) to 1024");
        Expect(request.GpuLayers is >= -1 and <= 1 << 16, "gpu_layers", request.GpuLayers, "0 (no GPU), -1 (all layers) or a number of layers up to 65536");
        return defects.ToImmutable();
    }

    private static void Check(PruneBudget? budget, Action<bool, string, object?, string> expect)
    {
        if (budget is null)
        {
            expect(false, "budget", null, "an object");
            return;
        }

        var amounts = new object?[] { budget.Sublayers, budget.Fraction, budget.Bytes, budget.KvBytes, budget.KvFraction, budget.DecodeMs, budget.DecodeFraction };
        expect(budget.Leanest || amounts.Any(amount => amount is not null), "budget", "nothing", "at least one of sublayers, fraction, bytes, kv_bytes, kv_fraction, decode_ms, decode_fraction and leanest");
        expect(budget.Fraction is null || budget.Bytes is null, "budget", "both fraction and bytes", "one of them");
        expect(budget.KvBytes is null || budget.KvFraction is null, "budget", "both kv_bytes and kv_fraction", "one of them");
        expect(budget.DecodeMs is null || budget.DecodeFraction is null, "budget", "both decode_ms and decode_fraction", "one of them");
        expect(budget.Sublayers is null or >= 1, "budget.sublayers", budget.Sublayers, "at least 1");
        expect(budget.Fraction is null or (> 0 and < 1), "budget.fraction", budget.Fraction, "above 0 and below 1");
        expect(budget.Bytes is null or >= 1, "budget.bytes", budget.Bytes, "at least 1");
        expect(budget.KvBytes is null or >= 1, "budget.kv_bytes", budget.KvBytes, "at least 1");
        expect(budget.KvFraction is null or (> 0 and <= 1), "budget.kv_fraction", budget.KvFraction, "above 0 and at most 1");
        expect(budget.DecodeMs is null or > 0 and < 1e6, "budget.decode_ms", budget.DecodeMs, "above 0 and below 1000000");
        expect(budget.DecodeFraction is null or (> 0 and < 1), "budget.decode_fraction", budget.DecodeFraction, "above 0 and below 1");
        expect(budget.DecodeContext is null or (>= 1 and <= 1_000_000), "budget.decode_context", budget.DecodeContext, "1 to 1000000");
    }

    private static void Check(GateThresholds gate, Action<bool, string, object?, string> expect)
    {
        expect(gate.MaxMeanKl >= 0, "gate.max_mean_kl", gate.MaxMeanKl, "0 or more");
        expect(gate.MinTop1Agreement is >= 0 and <= 1, "gate.min_top1_agreement", gate.MinTop1Agreement, "0 to 1");
        expect(!double.IsNaN(gate.MaxAnswerNllIncrease), "gate.max_answer_nll_increase", gate.MaxAnswerNllIncrease, "a number");
        expect(!double.IsNaN(gate.MaxGeneralNllIncrease), "gate.max_general_nll_increase", gate.MaxGeneralNllIncrease, "a number");
        expect(gate.MinCommonPrefix is >= 0 and <= 24, "gate.min_common_prefix", gate.MinCommonPrefix, "0 to 24");
        expect(gate.Confidence is > 0 and < 1, "gate.confidence", gate.Confidence, "above 0 and below 1");
    }
}
