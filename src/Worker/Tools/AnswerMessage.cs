using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace FinerCut.Worker.Tools;

/// <summary>A whole answer, put together from its pieces.</summary>
/// <param name="Content">Null where the answer only calls tools.</param>
public sealed record AnswerMessage(string? Reasoning, string? Content, ImmutableArray<ToolCall> Calls)
{
    public static AnswerMessage From(IEnumerable<AnswerDelta> deltas)
    {
        ArgumentNullException.ThrowIfNull(deltas);
        var (reasoning, content) = (new StringBuilder(), new StringBuilder());
        var calls = new List<(string Id, string Name, StringBuilder Arguments)>();
        foreach (var delta in deltas)
        {
            switch (delta.Part)
            {
                case AnswerPart.Reasoning: reasoning.Append(delta.Text); break;
                case AnswerPart.Content: content.Append(delta.Text); break;
                case AnswerPart.Call: calls.Add((delta.Id!, delta.Text, new StringBuilder())); break;
                default: calls[delta.Index].Arguments.Append(delta.Text); break;
            }
        }

        return new AnswerMessage(
            reasoning.Length > 0 ? reasoning.ToString() : null,
            content.Length > 0 || calls.Count == 0 ? content.ToString() : null,
            [.. calls.Select(call => new ToolCall(call.Id, call.Name, call.Arguments.ToString()))]);
    }
}

/// <summary>Writes answers in OpenAI's shapes.</summary>
public static class AnswerPartsJson
{
    /// <summary>Members of a chunk's "delta" object, which the caller opens and closes: one piece.</summary>
    public static void WriteDelta(Utf8JsonWriter json, in AnswerDelta delta)
    {
        ArgumentNullException.ThrowIfNull(json);
        switch (delta.Part)
        {
            case AnswerPart.Reasoning:
                json.WriteString("reasoning_content", delta.Text);
                return;
            case AnswerPart.Content:
                json.WriteString("content", delta.Text);
                return;
        }

        json.WriteStartArray("tool_calls");
        json.WriteStartObject();
        json.WriteNumber("index", delta.Index);
        if (delta.Part == AnswerPart.Call)
        {
            json.WriteString("id", delta.Id);
            json.WriteString("type", "function");
        }

        json.WriteStartObject("function");
        if (delta.Part == AnswerPart.Call) json.WriteString("name", delta.Text);
        json.WriteString("arguments", delta.Part == AnswerPart.Call ? "" : delta.Text);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
    }

    /// <summary>Members of a "message" object, which the caller opens and closes.</summary>
    public static void WriteMessage(Utf8JsonWriter json, AnswerMessage message)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(message);
        json.WriteString("role", "assistant");
        json.WriteString("content", message.Content);
        if (message.Reasoning is not null) json.WriteString("reasoning_content", message.Reasoning);
        if (message.Calls.IsEmpty) return;
        json.WriteStartArray("tool_calls");
        foreach (var call in message.Calls)
        {
            json.WriteStartObject();
            json.WriteString("id", call.Id);
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", call.Name);
            json.WriteString("arguments", call.Arguments);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
