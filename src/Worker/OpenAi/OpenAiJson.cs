using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace FinerCut.Worker.OpenAi;

[JsonSerializable(typeof(JsonArray))]
[JsonSerializable(typeof(JsonObject))]
internal sealed partial class OpenAiJson : JsonSerializerContext
{
    /// <summary>Answers are sent as application/json and text/event-stream only, so HTML's characters need no escapes.</summary>
    public static JsonWriterOptions Writing { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes one JSON value; the buffer is the caller's.</summary>
    public static void Write(IBufferWriter<byte> destination, Action<Utf8JsonWriter> write)
    {
        using var json = new Utf8JsonWriter(destination, Writing);
        write(json);
    }
}
