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

    /// <summary>Those that are kept, or else made now and kept.</summary>
    /// <param name="make">Told whom to tell of tokens made.</param>
    /// <param name="progress">Tokens made and wanted, from none on; not called where nothing has to be made.</param>
    public static ImmutableArray<TokenSequence> ReadOrMake(string path, string fingerprint, int wanted, Func<Action<int>, ImmutableArray<TokenSequence>> make, Action<int, int> progress)
    {
        if (Read(path, fingerprint) is { } kept) return kept;
        progress(0, wanted);
        var made = make(done => progress(done, wanted));
        Write(path, fingerprint, made);
        return made;
    }

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
