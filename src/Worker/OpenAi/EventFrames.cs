using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace FinerCut.Worker.OpenAi;

/// <summary>
/// Server-sent events whose JSON differs in one string only: everything around it is written once, so that a token's event allocates nothing.
/// </summary>
internal sealed class EventFrames
{
    private static readonly byte[] Data = "data: "u8.ToArray();
    private static readonly byte[] End = "\n\n"u8.ToArray();
    private const string Mark = "\u0001text\u0001";

    private readonly byte[] _before;
    private readonly byte[] _after;

    /// <param name="write">Writes the event's JSON with <paramref name="write"/>'s second argument where the text goes.</param>
    /// <param name="name">Of the event; null = none.</param>
    public EventFrames(Action<Utf8JsonWriter, string> write, string? name = null)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        OpenAiJson.Write(buffer, json => write(json, Mark));
        var text = buffer.WrittenSpan;
        ReadOnlySpan<byte> mark = "\\u0001text\\u0001"u8;
        var at = text.IndexOf(mark);
        _before = [.. Encoding.UTF8.GetBytes(Line(name)), .. Data, .. text[..at]];
        _after = [.. text[(at + mark.Length)..], .. End];
    }

    /// <param name="text">Whole UTF-8 characters.</param>
    public void Write(IBufferWriter<byte> stream, ReadOnlySpan<byte> text)
    {
        stream.Write(_before);
        while (!text.IsEmpty)
        {
            // An escape takes at most six bytes for one.
            var space = stream.GetSpan(Math.Min(text.Length * 6, 4096));
            JavaScriptEncoder.UnsafeRelaxedJsonEscaping.EncodeUtf8(text, space, out var read, out var written);
            stream.Advance(written);
            text = text[read..];
        }

        stream.Write(_after);
    }

    /// <summary>An event of its own.</summary>
    public static void Write(IBufferWriter<byte> stream, Action<Utf8JsonWriter> write, string? name = null)
    {
        if (name is not null) stream.Write(Encoding.UTF8.GetBytes(Line(name)));
        stream.Write(Data);
        OpenAiJson.Write(stream, write);
        stream.Write(End);
    }

    public static void Error(IBufferWriter<byte> stream, ApiError error)
    {
        stream.Write(Data);
        error.Write(stream);
        stream.Write(End);
    }

    private static string Line(string? name) => name is null ? "" : $"event: {name}\n";

    public static void Done(IBufferWriter<byte> stream) => stream.Write("data: [DONE]\n\n"u8);
}
