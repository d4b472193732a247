using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Unicode;

namespace FinerCut.Worker.OpenAi;

/// <summary>
/// JSON can spell half a surrogate pair (\ud800), and the parser lets bytes through that are no UTF-8: neither is text, and no reader of strings
/// and names survives it.
/// </summary>
internal static class BrokenText
{
    /// <summary>Path of the first string that is none, or of the object with such a name; null where all is well.</summary>
    public static string? Find(JsonElement root)
    {
        // Nearly every body is fine, which these searches see without making a string of anything.
        var raw = JsonMarshal.GetRawUtf8Value(root);
        return Utf8.IsValid(raw) && raw.IndexOf("\\ud"u8) < 0 && raw.IndexOf("\\uD"u8) < 0 ? null : Find(root, "");
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
