using System.Buffers;
using System.Text;
using System.Text.Json;
using FinerCut.Worker.Batching;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Responses;

/// <summary>OpenAI's response object, whole and as its sequence of named and numbered events.</summary>
internal sealed class ResponsesFormat(AnswerHead head, ResponsesRequest request) : IAnswerFormat
{
    private readonly string _message = $"msg_{Guid.NewGuid():N}";
    private readonly StringBuilder _text = new();
    private int _number;

    public void Open(IBufferWriter<byte> stream, int choice)
    {
        Write(stream, "response.created", json => WriteResponse(json, "in_progress", null, null));
        Write(stream, "response.in_progress", json => WriteResponse(json, "in_progress", null, null));
        Write(stream, "response.output_item.added", json =>
        {
            json.WriteNumber("output_index", 0);
            json.WritePropertyName("item");
            WriteMessage(json, "in_progress", null);
        });
        Write(stream, "response.content_part.added", json => WritePart(json, ""));
    }

    public void Append(IBufferWriter<byte> stream, int choice, Parcel parcel)
    {
        _text.Append(Encoding.UTF8.GetString(parcel.Text.WrittenSpan));
        Write(stream, "response.output_text.delta", json =>
        {
            WritePlace(json);
            json.WriteString("delta", parcel.Text.WrittenSpan);
            json.WriteStartArray("logprobs");
            json.WriteEndArray();
        });
    }

    public void Close(IBufferWriter<byte> stream, int choice, GenerationEnd end)
    {
        var text = _text.ToString();
        Write(stream, "response.output_text.done", json =>
        {
            WritePlace(json);
            json.WriteString("text", text);
            json.WriteStartArray("logprobs");
            json.WriteEndArray();
        });
        Write(stream, "response.content_part.done", json => WritePart(json, text));
        Write(stream, "response.output_item.done", json =>
        {
            json.WriteNumber("output_index", 0);
            json.WritePropertyName("item");
            WriteMessage(json, Status(end), text);
        });
        Write(stream, $"response.{Status(end)}", json => WriteResponse(json, Status(end), text, end));
    }

    public void Complete(IBufferWriter<byte> stream, IReadOnlyList<GenerationEnd> ends)
    {
    }

    public void Fail(IBufferWriter<byte> stream, ApiError error) => Write(stream, "error", json =>
    {
        json.WriteString("code", error.Code);
        json.WriteString("message", error.Message);
        json.WriteString("param", error.Param);
    });

    public void Whole(IBufferWriter<byte> body, IReadOnlyList<Answer> answers) => OpenAiJson.Write(body, json =>
    {
        json.WriteStartObject();
        WriteMembers(json, Status(answers[0].End), Encoding.UTF8.GetString(answers[0].Text.Span), answers[0].End);
        json.WriteEndObject();
    });

    private static string Status(GenerationEnd end) => end.Kind == FinishKind.Length ? "incomplete" : "completed";

    private void Write(IBufferWriter<byte> stream, string name, Action<Utf8JsonWriter> members) => EventFrames.Write(
        stream,
        json =>
        {
            json.WriteStartObject();
            json.WriteString("type", name);
            json.WriteNumber("sequence_number", _number++);
            members(json);
            json.WriteEndObject();
        },
        name);

    private void WritePlace(Utf8JsonWriter json)
    {
        json.WriteString("item_id", _message);
        json.WriteNumber("output_index", 0);
        json.WriteNumber("content_index", 0);
    }

    private void WritePart(Utf8JsonWriter json, string text)
    {
        WritePlace(json);
        json.WritePropertyName("part");
        WriteText(json, text);
    }

    private static void WriteText(Utf8JsonWriter json, string text)
    {
        json.WriteStartObject();
        json.WriteString("type", "output_text");
        json.WriteString("text", text);
        json.WriteStartArray("annotations");
        json.WriteEndArray();
        json.WriteStartArray("logprobs");
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteMessage(Utf8JsonWriter json, string status, string? text)
    {
        json.WriteStartObject();
        json.WriteString("type", "message");
        json.WriteString("id", _message);
        json.WriteString("status", status);
        json.WriteString("role", "assistant");
        json.WriteStartArray("content");
        if (text is not null) WriteText(json, text);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteResponse(Utf8JsonWriter json, string status, string? text, GenerationEnd? end)
    {
        json.WriteStartObject("response");
        WriteMembers(json, status, text, end);
        json.WriteEndObject();
    }

    private void WriteMembers(Utf8JsonWriter json, string status, string? text, GenerationEnd? end)
    {
        json.WriteString("id", head.Id);
        json.WriteString("object", "response");
        json.WriteNumber("created_at", head.Created);
        json.WriteString("status", status);
        json.WriteNull("error");
        if (status == "incomplete")
        {
            json.WriteStartObject("incomplete_details");
            json.WriteString("reason", "max_output_tokens");
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("incomplete_details");
        }

        json.WriteString("instructions", request.Instructions);
        if (request.Answer.MaxTokens is { } most) json.WriteNumber("max_output_tokens", most);
        else json.WriteNull("max_output_tokens");
        json.WriteString("model", head.Model);
        json.WriteStartArray("output");
        if (text is not null) WriteMessage(json, status, text);
        json.WriteEndArray();
        json.WriteBoolean("parallel_tool_calls", true);
        json.WriteNull("previous_response_id");
        json.WriteBoolean("store", false);
        json.WriteNumber("temperature", request.Temperature ?? 1);
        json.WriteNumber("top_p", request.TopP ?? 1);
        json.WriteString("tool_choice", "auto");
        json.WriteStartArray("tools");
        json.WriteEndArray();
        json.WriteString("truncation", "disabled");
        json.WriteStartObject("metadata");
        json.WriteEndObject();
        WriteUsage(json, end);
    }

    private static void WriteUsage(Utf8JsonWriter json, GenerationEnd? end)
    {
        if (end is null)
        {
            json.WriteNull("usage");
            return;
        }

        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", end.Figures.PromptTokens);
        json.WriteStartObject("input_tokens_details");
        json.WriteNumber("cached_tokens", end.Figures.CachedTokens);
        json.WriteEndObject();
        json.WriteNumber("output_tokens", end.Figures.CompletionTokens);
        json.WriteStartObject("output_tokens_details");
        json.WriteNumber("reasoning_tokens", 0);
        json.WriteEndObject();
        json.WriteNumber("total_tokens", end.Figures.PromptTokens + end.Figures.CompletionTokens);
        json.WriteEndObject();
    }
}
