using System.Text;
using System.Text.Json;
using FinerCut.Worker.Tools;

namespace FinerCut.Worker.Responses;

/// <summary>One item of a response's output, as far as it has come: a message, reasoning or a call. Not thread-safe.</summary>
/// <param name="kind">Reasoning, Content or Call.</param>
/// <param name="callId">Call: its id.</param>
/// <param name="name">Call: the function's name.</param>
internal sealed class ResponseItem(AnswerPart kind, string? callId = null, string? name = null)
{
    private readonly StringBuilder _text = new();

    public AnswerPart Kind => kind;

    public string Id { get; } = $"{kind switch { AnswerPart.Reasoning => "rs", AnswerPart.Call => "fc", _ => "msg" }}_{Guid.NewGuid():N}";

    /// <summary>Content, reasoning, or a call's arguments.</summary>
    public string Text => _text.ToString();

    public string? Name => name;

    /// <summary>Its text is a part within the item, and not a member.</summary>
    public bool HasParts => kind != AnswerPart.Call;

    public void Append(string text) => _text.Append(text);

    public void Write(Utf8JsonWriter json, string status)
    {
        json.WriteStartObject();
        json.WriteString("type", kind switch { AnswerPart.Reasoning => "reasoning", AnswerPart.Call => "function_call", _ => "message" });
        json.WriteString("id", Id);
        json.WriteString("status", status);
        switch (kind)
        {
            case AnswerPart.Call:
                json.WriteString("call_id", callId);
                json.WriteString("name", name);
                json.WriteString("arguments", Text);
                break;
            case AnswerPart.Reasoning:
                json.WriteStartArray("summary");
                json.WriteEndArray();
                WriteContent(json, status);
                break;
            default:
                json.WriteString("role", "assistant");
                WriteContent(json, status);
                break;
        }

        json.WriteEndObject();
    }

    public void WritePart(Utf8JsonWriter json, string text)
    {
        json.WriteStartObject();
        json.WriteString("type", kind == AnswerPart.Reasoning ? "reasoning_text" : "output_text");
        json.WriteString("text", text);
        if (kind == AnswerPart.Content)
        {
            json.WriteStartArray("annotations");
            json.WriteEndArray();
            json.WriteStartArray("logprobs");
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private void WriteContent(Utf8JsonWriter json, string status)
    {
        json.WriteStartArray("content");
        if (status != "in_progress") WritePart(json, Text);
        json.WriteEndArray();
    }
}
