using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;

namespace FinerCut.Pruning.Healing;

/// <summary>A fit as it lies on the disk: of a projection, or of a site (rank above 0, or a full map), or of neither where no map was worth it.</summary>
/// <param name="Fingerprint">Of job, mask and options: a fit of others is not taken.</param>
/// <param name="Norm">Single precision, little endian, as is the bias.</param>
internal sealed record KeptFit(string Fingerprint, int Columns, int Rows, byte[] Weights, byte[] Bias, double Left, double Penalty)
{
    public string Type { get; init; } = "";

    public int Rank { get; init; }

    /// <summary>A full map in an attention's place, [Rows × Columns].</summary>
    public bool Linear { get; init; }

    public byte[] Norm { get; init; } = [];

    public byte[] Up { get; init; } = [];
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(KeptFit))]
internal sealed partial class KeptFitJson : JsonSerializerContext;

/// <summary>
/// Fits made so far, a file each, whole or absent: a job that was killed while it healed takes them up and comes to the same model. One owner.
/// </summary>
/// <param name="folder">Its own; made when the first fit is kept.</param>
internal sealed class HealingJournal(string folder, string fingerprint)
{
    public HealedProjection? FindProjection(Sublayer sublayer) =>
        Read(sublayer) is { Type.Length: > 0 } kept && Enum.TryParse<GgmlType>(kept.Type, out var type)
            ? new HealedProjection(sublayer, type, kept.Columns, kept.Rows, Bytes(kept.Weights), Floats(kept.Bias), kept.Left, kept.Penalty)
            : null;

    /// <summary>Whether a site was decided on, and which; null where none was worth it.</summary>
    public (bool Found, HealingSite? Site) FindSite(Sublayer sublayer) => Read(sublayer) switch
    {
        { Type: "", Rank: > 0 } kept => (true, new LowRankSite(sublayer, kept.Rank, Floats(kept.Norm), Bytes(kept.Up), Bytes(kept.Weights), Floats(kept.Bias), kept.Left)),
        { Type: "", Linear: true } kept => (true, new LinearSite(sublayer, Floats(kept.Norm), Bytes(kept.Weights), kept.Left)),
        { Type: "" } => (true, null),
        _ => (false, null),
    };

    public void Keep(HealedProjection fit) => Write(
        fit.Sublayer, new KeptFit(fingerprint, fit.Columns, fit.Rows, [.. fit.Weights], Bytes(fit.Bias), fit.Left, fit.Penalty) { Type = fit.Type.ToString() });

    public void Keep(Sublayer sublayer, HealingSite? site) => Write(
        sublayer,
        site switch
        {
            LowRankSite low => new KeptFit(fingerprint, low.Rank, low.Width, [.. low.Down], Bytes(low.Bias), low.Left, 0) { Rank = low.Rank, Norm = Bytes(low.Norm), Up = [.. low.Up] },
            LinearSite linear => new KeptFit(fingerprint, linear.Width, linear.Width, [.. linear.Weights], [], linear.Left, 0) { Linear = true, Norm = Bytes(linear.Norm) },
            _ => new KeptFit(fingerprint, 0, 0, [], [], 1, 0),
        });

    private static ImmutableArray<byte> Bytes(byte[] bytes) => ImmutableCollectionsMarshal.AsImmutableArray(bytes);

    private static byte[] Bytes(ImmutableArray<float> values) => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();

    private static ImmutableArray<float> Floats(byte[] bytes) => [.. MemoryMarshal.Cast<byte, float>(bytes)];

    private KeptFit? Read(Sublayer sublayer)
    {
        var path = PathOf(sublayer);
        if (!File.Exists(path)) return null;
        try
        {
            var kept = JsonSerializer.Deserialize(File.ReadAllBytes(path), KeptFitJson.Default.KeptFit);
            return kept?.Fingerprint == fingerprint ? kept : null;
        }
        catch (JsonException)
        {
            // It is made anew.
            return null;
        }
    }

    private void Write(Sublayer sublayer, KeptFit kept) => AtomicFile.Write(PathOf(sublayer), JsonSerializer.SerializeToUtf8Bytes(kept, KeptFitJson.Default.KeptFit));

    private string PathOf(Sublayer sublayer) => Path.Combine(folder, $"{sublayer.ToString().Replace(':', '-')}.json");
}
