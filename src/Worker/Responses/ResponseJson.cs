using System.Text.Json;
using FinerCut.Worker.Batching;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Responses;

/// <summary>Writes the response object and its items.</summary>
internal sealed class ResponseJson(AnswerHead head, ResponsesRequest request)
{
    public static string Status(GenerationEnd end) => end.Kind == FinishKind.Length ? "incomplete" : "completed";

    /// <param name="end">Null while the answer is still being made.</param>
    public void WriteMembers(Utf8JsonWriter json, IReadOnlyList<ResponseItem> output, GenerationEnd? end)
    {
        var status = end is null ? "in_progress" : Status(end);
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
        foreach (var item in output) item.Write(json, status);
        json.WriteEndArray();
        Echo(json, "parallel_tool_calls", () => json.WriteBooleanValue(true));
        json.WriteNull("previous_response_id");
        json.WriteBoolean("store", false);
        Echo(json, "temperature", () => json.WriteNumberValue(1));
        Echo(json, "top_p", () => json.WriteNumberValue(1));
        Echo(json, "text", () =>
        {
            json.WriteStartObject();
            json.WriteStartObject("format");
            json.WriteString("type", "text");
            json.WriteEndObject();
            json.WriteEndObject();
        });
        Echo(json, "tool_choice", () => json.WriteStringValue("auto"));
        Echo(json, "tools", () =>
        {
            json.WriteStartArray();
            json.WriteEndArray();
        });
        json.WriteString("truncation", "disabled");
        Echo(json, "metadata", () =>
        {
            json.WriteStartObject();
            json.WriteEndObject();
        });
        WriteUsage(json, end);
    }

    /// <summary>What the client asked for, or the default.</summary>
    private void Echo(Utf8JsonWriter json, string name, Action otherwise)
    {
        json.WritePropertyName(name);
        if (request.Echo.TryGetProperty(name, out var given) && given.ValueKind != JsonValueKind.Null) given.WriteTo(json);
        else otherwise();
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
