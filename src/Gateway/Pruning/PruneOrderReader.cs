using System.Text.RegularExpressions;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.OpenAi;
using FinerCut.Jobs;
using FinerCut.Masks;

namespace FinerCut.Gateway.Pruning;

/// <summary>The body of POST /admin/models/{model}/prune: strict, all errors at once.</summary>
public static partial class PruneOrderReader
{
    private static readonly string[] Kinds = ["sublayers", "fraction", "bytes", "kv_bytes", "kv_fraction", "decode_ms", "decode_fraction"];

    public static (PruneOrder? Order, ApiError? Error) Read(ReadOnlyMemory<byte> body) => JsonBody.Read(body, Read);

    private static PruneOrder Read(JsonBody body)
    {
        var defaults = new GateThresholds();
        var gate = body.Object("gate");
        return new PruneOrder
        {
            Budget = Budget(body),
            Search = body.Word<SearchKind>("search") ?? SearchKind.Auto,
            Distance = body.Word<DistanceKind>("distance"),
            DistanceTokens = body.Word<DistanceTokens>("distance_tokens") ?? DistanceTokens.All,
            TopK = body.Integer("top_k", 1, 65_536) ?? PruneRequest.DefaultTopK,
            Healing = body.Word<HealingKind>("healing") ?? HealingKind.Auto,
            MaxHealingTokens = body.Integer("max_healing_tokens", 16, 10_000_000),
            Grains = body.Words<PruneGrain>("grains"),
            SlicesPerFfn = body.Integer("slices_per_ffn", 1, 65_536) ?? 0,
            ChannelOrder = body.Word<ChannelOrder>("channel_order") ?? ChannelOrder.Importance,
            Gate = new GateThresholds
            {
                MaxMeanKl = gate.Number("max_mean_kl", 0, 1000) ?? defaults.MaxMeanKl,
                MinTop1Agreement = gate.Number("min_top1_agreement", 0, 1) ?? defaults.MinTop1Agreement,
                MaxAnswerNllIncrease = gate.Number("max_answer_nll_increase", 0, 1000) ?? defaults.MaxAnswerNllIncrease,
                MaxGeneralNllIncrease = gate.Number("max_general_nll_increase", 0, 1000) ?? defaults.MaxGeneralNllIncrease,
                MinCommonPrefix = gate.Number("min_common_prefix", 0, 24) ?? defaults.MinCommonPrefix,
                Confidence = gate.Number("confidence", 0.5, 0.9999) ?? defaults.Confidence,
            },
            Keep = body.Texts("keep", 4096, Sublayer().IsMatch, "expected names of sublayers such as \"attn:0\" or \"ffn:12\""),
            Only = body.Word<SublayerKind>("only"),
            WarmUp = body.Flag("warm_up") ?? false,
            TopUp = body.Flag("top_up") ?? false,
            Seed = body.Integer("seed", 0, int.MaxValue) ?? 1,
            MaxCalibrationTokens = body.Integer("max_calibration_tokens", 16, 10_000_000),
            MaxHeldOutTokens = body.Integer("max_held_out_tokens", 16, 10_000_000),
            MaxSequenceTokens = body.Integer("max_sequence_tokens", 8, 1_000_000),
            MinTokens = body.Integer("min_tokens", 1, 10_000_000),
            MemoryBytes = body.Long("memory_bytes", 1 << 20, long.MaxValue),
            Threads = body.Integer("threads", 0, 1024),
            GpuLayers = body.Integer("gpu_layers", -1, 1 << 16),
            Promote = body.Flag("promote") ?? true,
        };
    }

    private static PruneBudget Budget(JsonBody body)
    {
        var budget = body.Object("budget");
        var leanest = budget.Flag("leanest") ?? false;
        if (!leanest && !Kinds.Any(budget.Has)) body.Error("budget", $"expected at least one of {string.Join(", ", Kinds)}, leanest");
        foreach (var (one, other) in new[] { ("fraction", "bytes"), ("kv_fraction", "kv_bytes"), ("decode_fraction", "decode_ms") })
        {
            if (budget.Has(one) && budget.Has(other)) body.Error("budget", $"expected at most one of {one}, {other}");
        }

        return new PruneBudget(budget.Integer("sublayers", 1, 100_000), Share("fraction", 1), budget.Long("bytes", 1, long.MaxValue))
        {
            KvBytes = budget.Long("kv_bytes", 1, long.MaxValue),
            KvFraction = Share("kv_fraction", null),
            DecodeMs = Positive("decode_ms", 1e6),
            DecodeFraction = Share("decode_fraction", 1),
            DecodeContext = budget.Integer("decode_context", 1, 1_000_000),
            Leanest = leanest,
        };

        // A number from 0 to 1, not 0, nor the other end where that is barred.
        double? Share(string name, double? barred)
        {
            var share = budget.Number(name, 0, 1);
            if (share == 0 || (share is not null && share == barred)) budget.Error(name, barred is null ? "expected a number above 0 and at most 1" : "expected a number above 0 and below 1");
            return share;
        }

        double? Positive(string name, double most)
        {
            var number = budget.Number(name, 0, most);
            if (number == 0) budget.Error(name, "expected a number above 0");
            return number;
        }
    }

    [GeneratedRegex("^(attn|ffn):[0-9]{1,5}$")]
    private static partial Regex Sublayer();
}
