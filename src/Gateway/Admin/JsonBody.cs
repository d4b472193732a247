using System.Collections.Immutable;
using System.Text.Json;
using FinerCut.Gateway.OpenAi;
using FinerCut.Words;

namespace FinerCut.Gateway.Admin;

/// <summary>
/// Reads a strict JSON object: members are asked for by name, all errors are collected, members nobody asked for are refused with the nearest
/// right name.
/// </summary>
internal sealed class JsonBody(JsonElement element, string path, List<string> errors)
{
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private readonly List<JsonBody> _children = [];

    public bool IsEmpty => element.ValueKind != JsonValueKind.Object || !element.EnumerateObject().Any();

    public void Error(string name, string expected)
    {
        var given = Find(name) is { } value ? " = " + Short(value.GetRawText()) : "";
        errors.Add($"{PathOf(name)}{given}: {expected}");
    }

    public bool Has(string name) => Find(name) is not null;

    public int? Integer(string name, int min, int max) => (int?)Long(name, min, max);

    public long? Long(string name, long min, long max)
    {
        if (Find(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= min && number <= max) return number;
        Error(name, $"expected a whole number from {min} to {max}");
        return null;
    }

    public double? Number(string name, double min, double max)
    {
        if (Find(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= min && number <= max) return number;
        Error(name, $"expected a number from {min} to {max}");
        return null;
    }

    public bool? Flag(string name)
    {
        if (Find(name) is not { } value) return null;
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False) return value.GetBoolean();
        Error(name, "expected true or false");
        return null;
    }

    public string? Text(string name, int longest)
    {
        if (Find(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text && text.Length <= longest) return text;
        Error(name, $"expected a string of 1 to {longest} characters");
        return null;
    }

    /// <summary>Words in snake case.</summary>
    public T? Word<T>(string name) where T : struct, Enum
    {
        if (Find(name) is not { } value) return null;
        var words = WordsOf<T>();
        if (value.ValueKind == JsonValueKind.String && words.TryGetValue(value.GetString()!, out var found)) return found;
        Error(name, $"expected one of {string.Join(", ", words.Keys)}");
        return null;
    }

    /// <summary>A list of different words in snake case; absent reads like empty.</summary>
    public ImmutableArray<T> Words<T>(string name) where T : struct, Enum
    {
        if (Find(name) is not { } value) return [];
        var words = WordsOf<T>();
        string[] given = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.String ? item.GetString()! : "")] : [""];
        if (given.All(words.ContainsKey) && given.Distinct(StringComparer.Ordinal).Count() == given.Length) return [.. given.Select(word => words[word])];
        Error(name, $"expected a list of {string.Join(", ", words.Keys)}, each at most once");
        return [];
    }

    public ImmutableArray<string> Texts(string name, int most, Func<string, bool> isAllowed, string expected)
    {
        if (Find(name) is not { } value) return [];
        if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() <= most
            && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String && isAllowed(item.GetString()!)))
        {
            return [.. value.EnumerateArray().Select(item => item.GetString()!)];
        }

        Error(name, expected);
        return [];
    }

    /// <summary>An absent object reads like an empty one.</summary>
    public JsonBody Object(string name)
    {
        var found = Find(name);
        if (found is { ValueKind: not JsonValueKind.Object }) Error(name, "expected an object");
        var child = new JsonBody(found is { ValueKind: JsonValueKind.Object } given ? given : default, PathOf(name), errors);
        _children.Add(child);
        return child;
    }

    public void RefuseUnknown()
    {
        if (element.ValueKind == JsonValueKind.Object)
        {
            foreach (var name in element.EnumerateObject().Select(member => member.Name).Where(name => !_known.Contains(name)))
            {
                var nearest = NearestName.To(name, _known);
                errors.Add(nearest is null
                    ? $"{PathOf(name)}: unknown; known here: {string.Join(", ", _known.Order(StringComparer.Ordinal))}"
                    : $"{PathOf(name)}: unknown; did you mean {PathOf(nearest)}?");
            }
        }

        foreach (var child in _children) child.RefuseUnknown();
    }

    /// <summary>Reads a whole body; an empty one reads like {} where that is allowed.</summary>
    public static (T? Value, ApiError? Error) Read<T>(ReadOnlyMemory<byte> bytes, Func<JsonBody, T> read) where T : class
    {
        try
        {
            using var document = JsonDocument.Parse(bytes.IsEmpty ? "{}"u8.ToArray() : bytes);
            if (document.RootElement.ValueKind != JsonValueKind.Object) return (null, ApiError.Invalid("The body is not a JSON object.", "invalid_json"));
            var errors = new List<string>();
            var body = new JsonBody(document.RootElement, "", errors);
            var value = read(body);
            body.RefuseUnknown();
            return errors.Count == 0 ? (value, null) : (null, ApiError.Invalid(string.Join("; ", errors) + ".", "invalid_body"));
        }
        catch (JsonException exception)
        {
            return (null, ApiError.Invalid($"The body is not valid JSON (line {exception.LineNumber + 1}, byte {exception.BytePositionInLine}).", "invalid_json"));
        }
    }

    private JsonElement? Find(string name)
    {
        _known.Add(name);
        return element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    private string PathOf(string name) => path.Length == 0 ? name : path + "." + name;

    private static Dictionary<string, T> WordsOf<T>() where T : struct, Enum =>
        Enum.GetValues<T>().ToDictionary(word => JsonNamingPolicy.SnakeCaseLower.ConvertName(word.ToString()), word => word);

    private static string Short(string text) => text.Length <= 60 ? text : text[..60] + "…";
}
