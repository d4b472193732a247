using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Budgets;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(SublayerTimes))]
internal sealed partial class SublayerTimesJson : JsonSerializerContext;

/// <summary>How long a decode step of one token takes, sublayer by sublayer, on the machine that measured it.</summary>
/// <param name="Fingerprint">Of model, context length and threads.</param>
/// <param name="Context">Tokens in the memory.</param>
/// <param name="Nanoseconds">By the sublayer's order; 0 where there is none.</param>
public sealed record SublayerTimes(string Fingerprint, int Context, ImmutableArray<long> Nanoseconds)
{
    public const double NanosecondsAMillisecond = 1e6;

    [JsonIgnore]
    public long Total => Nanoseconds.Sum();

    /// <summary>A unit has its share, by its parts, of what its sublayer takes.</summary>
    public UnitCosts Costs(UnitMap units) => UnitCosts.Even(units, sublayer => Nanoseconds[sublayer.Order]);

    /// <summary>Kept, since a search that resumes must price by the same figures: times measured again are others.</summary>
    public void Write(string path) => AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(this, SublayerTimesJson.Default.SublayerTimes));

    /// <summary>Null where there are none, or of something else.</summary>
    public static SublayerTimes? Read(string path, string fingerprint)
    {
        if (!File.Exists(path)) return null;
        try
        {
            var kept = JsonSerializer.Deserialize(File.ReadAllBytes(path), SublayerTimesJson.Default.SublayerTimes);
            return kept is not null && kept.Fingerprint == fingerprint && !kept.Nanoseconds.IsDefault ? kept : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
