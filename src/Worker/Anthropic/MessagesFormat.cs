using System.Buffers;
using System.Text.Json;
using FinerCut.Worker.Batching;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Anthropic;

/// <summary>Anthropic's message, whole and as its sequence of named events.</summary>
/// <param name="promptTokens">Known before the first token; how many of them were cached is told at the end.</param>
internal sealed class MessagesFormat(AnswerHead head, AnswerFields fields, int promptTokens) : IAnswerFormat
{
    private readonly EventFrames _deltas = new(
        (json, mark) => Event(json, "content_block_delta", () =>
        {
            json.WriteNumber("index", 0);
            json.WriteStartObject("delta");
            json.WriteString("type", "text_delta");
            json.WriteString("text", mark);
            json.WriteEndObject();
        }),
        "content_block_delta");

    public void Open(IBufferWriter<byte> stream, int choice)
    {
        Write(stream, "message_start", json =>
        {
            json.WriteStartObject("message");
            WriteHead(json);
            json.WriteStartArray("content");
            json.WriteEndArray();
            json.WriteNull("stop_reason");
            json.WriteNull("stop_sequence");
            WriteUsage(json, promptTokens, 0, 0);
            json.WriteEndObject();
        });
        Write(stream, "content_block_start", json =>
        {
            json.WriteNumber("index", 0);
            json.WriteStartObject("content_block");
            json.WriteString("type", "text");
            json.WriteString("text", "");
            json.WriteEndObject();
        });
    }

    public void Append(IBufferWriter<byte> stream, int choice, Parcel parcel) => _deltas.Write(stream, parcel.Text.WrittenSpan);

    public void Close(IBufferWriter<byte> stream, int choice, GenerationEnd end)
    {
        Write(stream, "content_block_stop", json => json.WriteNumber("index", 0));
        Write(stream, "message_delta", json =>
        {
            json.WriteStartObject("delta");
            WriteStop(json, end);
            json.WriteEndObject();
            WriteUsage(json, end.Figures);
        });
    }

    public void Complete(IBufferWriter<byte> stream, IReadOnlyList<GenerationEnd> ends) => Write(stream, "message_stop", _ => { });

    public void Fail(IBufferWriter<byte> stream, ApiError error)
    {
        stream.Write("event: error\ndata: "u8);
        error.Write(stream, typed: true);
        stream.Write("\n\n"u8);
    }

    public void Whole(IBufferWriter<byte> body, IReadOnlyList<Answer> answers) => OpenAiJson.Write(body, json =>
    {
        json.WriteStartObject();
        WriteHead(json);
        json.WriteStartArray("content");
        json.WriteStartObject();
        json.WriteString("type", "text");
        json.WriteString("text", answers[0].Text.Span);
        json.WriteEndObject();
        json.WriteEndArray();
        WriteStop(json, answers[0].End);
        WriteUsage(json, answers[0].End.Figures);
        json.WriteEndObject();
    });

    private void WriteHead(Utf8JsonWriter json)
    {
        json.WriteString("id", head.Id);
        json.WriteString("type", "message");
        json.WriteString("role", "assistant");
        json.WriteString("model", head.Model);
    }

    private void WriteStop(Utf8JsonWriter json, GenerationEnd end)
    {
        json.WriteString("stop_reason", end.Kind == FinishKind.Length ? "max_tokens" : end.StopIndex >= 0 ? "stop_sequence" : "end_turn");
        json.WriteString("stop_sequence", end.StopIndex >= 0 ? fields.Stops[end.StopIndex] : null);
    }

    private static void WriteUsage(Utf8JsonWriter json, GenerationFigures figures) =>
        WriteUsage(json, figures.PromptTokens - figures.CachedTokens, figures.CachedTokens, figures.CompletionTokens);

    private static void WriteUsage(Utf8JsonWriter json, int input, int cached, int output)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", input);
        json.WriteNumber("cache_creation_input_tokens", 0);
        json.WriteNumber("cache_read_input_tokens", cached);
        json.WriteNumber("output_tokens", output);
        json.WriteEndObject();
    }

    private static void Write(IBufferWriter<byte> stream, string name, Action<Utf8JsonWriter> members) =>
        EventFrames.Write(stream, json => Event(json, name, () => members(json)), name);

    private static void Event(Utf8JsonWriter json, string name, Action members)
    {
        json.WriteStartObject();
        json.WriteString("type", name);
        members();
        json.WriteEndObject();
    }
}
