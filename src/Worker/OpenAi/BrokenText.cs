using System.Runtime.InteropServices;
using System.Text.Json;

namespace FinerCut.Worker.OpenAi;

/// <summary>JSON can spell half a surrogate pair (\ud800), which is no text and which no reader of strings and names survives.</summary>
internal static class BrokenText
{
    /// <summary>Path of the first string that is none, or of the object with such a name; null where all is well.</summary>
    public static string? Find(JsonElement root)
    {
        // Only an escape can be broken: the parser has checked the rest.
        var raw = JsonMarshal.GetRawUtf8Value(root);
        return raw.IndexOf("\\ud"u8) < 0 && raw.IndexOf("\\uD"u8) < 0 ? null : Find(root, "");
    }

    private static string? Find(JsonElement value, string path)
    {
        try
        {
            switch (value.ValueKind)
            {
                case JsonValueKind.String:
                    _ = value.GetString();
                    return null;
                case JsonValueKind.Object:
                    foreach (var member in value.EnumerateObject())
                    {
                        if (Find(member.Value, path.Length == 0 ? member.Name : $"{path}.{member.Name}") is { } inner) return inner;
                    }

                    return null;
                case JsonValueKind.Array:
                    var i = 0;
                    foreach (var item in value.EnumerateArray())
                    {
                        if (Find(item, $"{path}[{i++}]") is { } inner) return inner;
                    }

                    return null;
                default:
                    return null;
            }
        }
        catch (InvalidOperationException)
        {
            return path;
        }
    }
}
