using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using FinerCut.Gguf;

namespace FinerCut.Worker.Gguf;

/// <param name="Name">attn:3, ffn:7, or another part of the model.</param>
/// <param name="Bytes">Of its tensors.</param>
public sealed record PartFacts(string Name, int Tensors, long Bytes);

/// <summary>What there is to see in a model's files, as text or as JSON. Pure but for the writer.</summary>
public sealed class FileFacts
{
    private const int ShownElements = 8;

    private readonly GgufShards _shards;

    private FileFacts(GgufShards shards, IReadOnlyList<PartFacts> parts)
    {
        _shards = shards;
        Parts = parts;
    }

    /// <summary>Bytes per sublayer in the order of the residual stream, the rest of the model before them.</summary>
    public IReadOnlyList<PartFacts> Parts { get; }

    private long Bytes => _shards.Files.Sum(file => file.Length);

    private IEnumerable<GgufKeyValue> Provenance => _shards.First.KeyValues.Where(kv => kv.Key.StartsWith("finercut.", StringComparison.Ordinal));

    public static FileFacts Of(GgufShards shards)
    {
        var parts = shards.Tensors
            .GroupBy(entry => PartOf(entry.Tensor.Name))
            .Select(group => (group.Key, Facts: new PartFacts(group.Key.Name, group.Count(), group.Sum(entry => entry.Tensor.ByteCount))))
            .OrderBy(part => part.Key.Block).ThenBy(part => part.Key.Name, StringComparer.Ordinal);
        return new(shards, [.. parts.Select(part => part.Facts)]);
    }

    public void WriteText(TextWriter output)
    {
        var model = _shards.First;
        foreach (var file in _shards.Files) output.WriteLine($"{file.Path}  {Sizes.Text(file.Length)}  GGUF v{file.Model.Version}, alignment {file.Model.Alignment}");
        output.WriteLine($"architecture {Printable.Of(model.Architecture ?? "(none)")}, {_shards.Tensors.Count()} tensors, "
            + $"{_shards.Tensors.Sum(entry => entry.Tensor.Elements) / 1e6:F1} M weights");
        output.WriteLine("\nKEY-VALUES");
        foreach (var (key, value) in model.KeyValues) output.WriteLine($"  {Printable.Of(key),-44} {value.TypeName,-16} {Shown(value)}");
        output.WriteLine("\nBYTES");
        foreach (var part in Parts) output.WriteLine($"  {Printable.Of(part.Name),-20} {part.Tensors,4} tensors {Sizes.Text(part.Bytes),12} {100.0 * part.Bytes / Bytes,6:F2} %");
        output.WriteLine("\nTENSORS");
        foreach (var (_, tensor) in _shards.Tensors)
        {
            output.WriteLine($"  {Printable.Of(tensor.Name),-44} {GgmlTypes.Of(tensor.Type).Name,-8} {$"[{string.Join(", ", tensor.Shape)}]",-24} {Sizes.Text(tensor.ByteCount),12}");
        }
        output.WriteLine("\nPROVENANCE");
        if (!Provenance.Any()) output.WriteLine("  a full model: nothing says that this gateway made it");
        foreach (var (key, value) in Provenance)
        {
            output.WriteLine(value is { IsArray: true, ElementType: GgufValueType.String }
                ? $"  {Printable.Of(key)}: {Printable.Of(string.Join(", ", value.GetTexts()), 2000)}"
                : $"  {Printable.Of(key)}: {Shown(value)}");
        }
    }

    public void WriteJson(Stream output)
    {
        using var json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        json.WriteStartArray("files");
        foreach (var file in _shards.Files)
        {
            json.WriteStartObject();
            json.WriteString("path", file.Path);
            json.WriteNumber("bytes", file.Length);
            json.WriteNumber("version", file.Model.Version);
            json.WriteNumber("alignment", file.Model.Alignment);
            json.WriteNumber("data_offset", file.Model.DataOffset);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteString("architecture", _shards.First.Architecture);
        json.WriteStartArray("key_values");
        foreach (var (key, value) in _shards.First.KeyValues) Write(json, key, value);
        json.WriteEndArray();
        json.WriteStartArray("parts");
        foreach (var part in Parts)
        {
            json.WriteStartObject();
            json.WriteString("name", part.Name);
            json.WriteNumber("tensors", part.Tensors);
            json.WriteNumber("bytes", part.Bytes);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("tensors");
        foreach (var (file, tensor) in _shards.Tensors)
        {
            json.WriteStartObject();
            json.WriteString("name", tensor.Name);
            json.WriteString("type", GgmlTypes.Of(tensor.Type).Name);
            json.WriteStartArray("shape");
            foreach (var dimension in tensor.Shape) json.WriteNumberValue(dimension);
            json.WriteEndArray();
            json.WriteNumber("bytes", tensor.ByteCount);
            json.WriteNumber("offset", file.Model.DataOffset + tensor.Offset);
            if (_shards.Files.Count > 1) json.WriteString("file", Path.GetFileName(file.Path));
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>attn:N and ffn:N as masks write them; blocks come after the tensors of no block.</summary>
    private static (int Block, string Name) PartOf(string tensor)
    {
        var parts = tensor.Split('.', 3);
        if (parts is not ["blk", var number, var rest] || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var block)) return (-1, tensor);
        return (block, rest.StartsWith("attn", StringComparison.Ordinal) ? $"attn:{block}" : rest.StartsWith("ffn", StringComparison.Ordinal) ? $"ffn:{block}" : $"other:{block}");
    }

    private static string Shown(GgufValue value)
    {
        if (!value.IsArray) return Printable.Of(value.ToString());
        var first = Elements(value).Take(ShownElements);
        return Printable.Of(string.Join(", ", first), 160) + (value.Count > ShownElements ? " …" : "");
    }

    private static IEnumerable<string> Elements(GgufValue value) => value.ElementType switch
    {
        GgufValueType.String => value.GetTexts(),
        GgufValueType.Float32 => Enumerable.Range(0, (int)Math.Min(value.Count, ShownElements)).Select(i => value.GetElements<float>()[i].ToString("R", CultureInfo.InvariantCulture)),
        GgufValueType.Float64 => Enumerable.Range(0, (int)Math.Min(value.Count, ShownElements)).Select(i => value.GetElements<double>()[i].ToString("R", CultureInfo.InvariantCulture)),
        GgufValueType.UInt64 => Enumerable.Range(0, (int)Math.Min(value.Count, ShownElements)).Select(i => value.GetElements<ulong>()[i].ToString(CultureInfo.InvariantCulture)),
        GgufValueType.Bool => Enumerable.Range(0, (int)Math.Min(value.Count, ShownElements)).Select(i => value.Encoded.Span[i] != 0 ? "true" : "false"),
        _ => value.GetIntegers().Take(ShownElements).Select(number => number.ToString(CultureInfo.InvariantCulture)),
    };

    private static void Write(Utf8JsonWriter json, string key, GgufValue value)
    {
        json.WriteStartObject();
        json.WriteString("key", key);
        json.WriteString("type", GgufValueTypes.NameOf(value.ElementType));
        if (value.IsArray)
        {
            // Vocabularies would drown the rest.
            json.WriteNumber("count", value.Count);
            json.WriteStartArray("first");
            foreach (var element in Elements(value).Take(ShownElements)) json.WriteStringValue(element);
            json.WriteEndArray();
        }
        else if (value.IsInteger && value.ElementType != GgufValueType.UInt64) json.WriteNumber("value", value.GetInteger());
        else if (value.ElementType == GgufValueType.UInt64) json.WriteNumber("value", value.Get<ulong>());
        else if (value.ElementType == GgufValueType.Bool) json.WriteBoolean("value", value.Get<bool>());
        else if (value.IsText || !double.IsFinite(value.GetNumber())) json.WriteString("value", value.ToString());
        else
        {
            // As short as the value's own type needs.
            json.WritePropertyName("value");
            json.WriteRawValue(value.ToString());
        }
        json.WriteEndObject();
    }
}
