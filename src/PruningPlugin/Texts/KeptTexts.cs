using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using FinerCut.Calibration;
using FinerCut.Pruning.Checkpoints;

namespace FinerCut.Pruning.Texts;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(KeptTexts))]
internal sealed partial class KeptTextsJson : JsonSerializerContext;

/// <summary>Texts that a model wrote, as tokens on the disk: a job that is started again does not write them again.</summary>
/// <param name="Fingerprint">Of model, seed and number.</param>
internal sealed record KeptTexts(string Fingerprint, int[][] Texts)
{
    public static void Write(string path, string fingerprint, ImmutableArray<TokenSequence> texts) =>
        AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(new KeptTexts(fingerprint, [.. texts.Select(text => text.Tokens.ToArray())]), KeptTextsJson.Default.KeptTexts));

    /// <summary>Null where there are none, or others.</summary>
    public static ImmutableArray<TokenSequence>? Read(string path, string fingerprint)
    {
        if (!File.Exists(path)) return null;
        try
        {
            var kept = JsonSerializer.Deserialize(File.ReadAllBytes(path), KeptTextsJson.Default.KeptTexts);
            return kept?.Fingerprint == fingerprint ? [.. kept.Texts.Select((tokens, number) => new TokenSequence($"generated:{number}", [.. tokens], tokens.Length))] : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
