using System.Collections.Frozen;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using FinerCut.Runtime;

namespace FinerCut.Worker.OpenAi;

/// <summary>The fields of a body that steer sampling: OpenAI's and llama-server's names.</summary>
public static class SamplingFields
{
    /// <summary>History that penalties see by default, as in llama-server.</summary>
    private const int DefaultPenaltyLastN = 64;

    /// <param name="vocabularySize">Bound of the token ids in logit_bias.</param>
    /// <param name="defaultSeed">The worker's --seed, null = a random one for each request.</param>
    public static SamplerOptions Read(FieldReader body, int vocabularySize, uint? defaultSeed)
    {
        ArgumentNullException.ThrowIfNull(body);
        var defaults = new SamplerOptions();
        return new SamplerOptions
        {
            Temperature = Real(body, "temperature", 0, 100) ?? defaults.Temperature,
            TopK = (int)(body.Integer("top_k", -1, int.MaxValue) is { } topK ? Math.Max(0, topK) : defaults.TopK),
            TopP = Real(body, "top_p", 0, 1) ?? defaults.TopP,
            MinP = Real(body, "min_p", 0, 1) ?? defaults.MinP,
            TypicalP = Real(body, "typical_p", 0, 1) ?? defaults.TypicalP,
            TopNSigma = Real(body, "top_n_sigma", -1, 100) ?? defaults.TopNSigma,
            XtcProbability = Real(body, "xtc_probability", 0, 1) ?? defaults.XtcProbability,
            XtcThreshold = Real(body, "xtc_threshold", 0, 1) ?? defaults.XtcThreshold,
            DynamicTemperatureRange = Real(body, "dynatemp_range", 0, 100) ?? defaults.DynamicTemperatureRange,
            DynamicTemperatureExponent = Real(body, "dynatemp_exponent", 0, 100) ?? defaults.DynamicTemperatureExponent,
            PenaltyLastN = (int)(body.Integer("repeat_last_n", -1, int.MaxValue) ?? DefaultPenaltyLastN),
            RepeatPenalty = Real(body, "repeat_penalty", 0.01, 100) ?? Real(body, "repetition_penalty", 0.01, 100) ?? defaults.RepeatPenalty,
            FrequencyPenalty = Real(body, "frequency_penalty", -2, 2) ?? defaults.FrequencyPenalty,
            PresencePenalty = Real(body, "presence_penalty", -2, 2) ?? defaults.PresencePenalty,
            DryMultiplier = Real(body, "dry_multiplier", 0, 100) ?? defaults.DryMultiplier,
            DryBase = Real(body, "dry_base", 1, 100) ?? defaults.DryBase,
            DryAllowedLength = (int)(body.Integer("dry_allowed_length", 0, int.MaxValue) ?? defaults.DryAllowedLength),
            DryPenaltyLastN = (int)(body.Integer("dry_penalty_last_n", -1, int.MaxValue) ?? defaults.DryPenaltyLastN),
            DrySequenceBreakers = body.Texts("dry_sequence_breakers", 64, 256) is { Length: > 0 } breakers ? breakers : defaults.DrySequenceBreakers,
            Mirostat = (int)(body.Integer("mirostat", 0, 2) ?? defaults.Mirostat),
            MirostatTau = Real(body, "mirostat_tau", 0, 100) ?? defaults.MirostatTau,
            MirostatEta = Real(body, "mirostat_eta", 0, 1) ?? defaults.MirostatEta,
            Seed = Seed(body.Integer("seed", long.MinValue, long.MaxValue), defaultSeed),
            LogitBias = LogitBias(body, vocabularySize),
            Grammar = body.Text("grammar") is { Length: > 0 } grammar ? grammar : null,
        };
    }

    /// <summary>-1 asks for a random seed, as in llama-server; others are folded into 32 bits.</summary>
    private static uint Seed(long? seed, uint? defaultSeed) =>
        seed is { } given and not -1
            ? unchecked((uint)given ^ (uint)(given >> 32))
            : seed is null && defaultSeed is { } fixedSeed ? fixedSeed : BitConverter.ToUInt32(RandomNumberGenerator.GetBytes(4));

    private static float? Real(FieldReader body, string name, double least, double most) => (float?)body.Number(name, least, most);

    /// <summary>OpenAI's object of token id to bias, or llama-server's array of [id, bias]; false as a bias forbids the token.</summary>
    private static FrozenDictionary<int, float>? LogitBias(FieldReader body, int vocabularySize)
    {
        const string name = "logit_bias";
        if (body.Any(name) is not { } value) return null;
        var bias = new Dictionary<int, float>();
        if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in value.EnumerateObject())
            {
                var id = int.TryParse(member.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) ? parsed : -1;
                Add($"{name}.{(id < 0 ? "*" : member.Name)}", id, member.Value);
            }
        }
        else if (value.ValueKind == JsonValueKind.Array)
        {
            var i = 0;
            foreach (var pair in value.EnumerateArray())
            {
                var path = $"{name}[{i++}]";
                if (pair.ValueKind != JsonValueKind.Array || pair.GetArrayLength() != 2)
                    body.Fault(path, "must be a pair [token id, bias].", "invalid_type");
                else
                    Add(path, pair[0].ValueKind == JsonValueKind.Number && pair[0].TryGetInt32(out var id) ? id : -1, pair[1]);
            }
        }
        else
        {
            body.Fault(name, $"must be an object of token id to bias, not {FieldReader.Kind(value)}.", "invalid_type");
        }

        return bias.Count == 0 ? null : bias.ToFrozenDictionary();

        void Add(string path, int id, JsonElement amount)
        {
            if (id < 0 || id >= vocabularySize)
                body.Fault(path, $"must name a token id from 0 to {vocabularySize - 1}.", "invalid_value");
            else if (amount.ValueKind == JsonValueKind.False)
                bias[id] = float.NegativeInfinity;
            else if (amount.ValueKind == JsonValueKind.Number && amount.TryGetSingle(out var number) && number is >= -100 and <= 100)
                bias[id] = number;
            else
                body.Fault(path, "must be a number from -100 to 100, or false.", "invalid_value");
        }
    }
}
