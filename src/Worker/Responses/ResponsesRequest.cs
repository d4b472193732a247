using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.ChatTemplates;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Responses;

/// <summary>A body of /v1/responses, checked. Stateless: nothing is stored, nothing earlier can be referred to.</summary>
internal sealed record ResponsesRequest(AnswerFields Answer, TemplateInput Template, string? Instructions, double? Temperature, double? TopP)
{
    /// <exception cref="ApiException">400 with every fault.</exception>
    public static ResponsesRequest Read(JsonElement root, RequestLimits limits)
    {
        var body = new FieldReader(root);
        var messages = new JsonArray();
        var instructions = body.Text("instructions");
        if (instructions is not null) messages.Add(new JsonObject { ["role"] = "system", ["content"] = instructions });
        ReadInput(body, messages);
        Tolerate(body);
        var answer = new AnswerFields
        {
            Sampling = SamplingFields.Read(body, limits.VocabularySize, limits.DefaultSeed),
            Stream = body.Flag("stream") ?? false,
            MaxTokens = (int?)body.Integer("max_output_tokens", 1, int.MaxValue),
            CachePrompt = body.Flag("cache_prompt") ?? true,
        };
        var temperature = body.Number("temperature", 0, 100);
        var topP = body.Number("top_p", 0, 1);
        body.Close();
        body.ThrowIfFaulty();
        return new ResponsesRequest(
            answer, new TemplateInput(JsonSerializer.SerializeToElement(messages, OpenAiJson.Default.JsonArray)), instructions, temperature, topP);
    }

    private static void ReadInput(FieldReader body, JsonArray messages)
    {
        const string name = "input";
        if (body.Any(name) is not { } input)
        {
            if (!body.HasFaults) body.Fault(name, "is missing: a string, or an array of messages.", "missing_required_parameter");
        }
        else if (input.ValueKind == JsonValueKind.String)
        {
            messages.Add(new JsonObject { ["role"] = "user", ["content"] = body.Text(name) });
        }
        else if (body.Objects(name) is { } items)
        {
            if (items.IsEmpty) body.Fault(name, "must have at least one message.", "missing_required_parameter");
            foreach (var item in items) messages.Add(ReadItem(item));
        }
    }

    private static JsonObject ReadItem(FieldReader item)
    {
        item.Word("type", "message");
        var role = item.Word("role", "system", "developer", "user", "assistant");
        if (role is null && item.Any("role") is null) item.Fault("role", "is missing: system, developer, user or assistant.", "missing_required_parameter");
        var content = ReadContent(item);
        if (content is null && item.Any("content") is null) item.Fault("content", "is missing: a string, or an array of text parts.", "missing_required_parameter");
        item.Accept("id", "status");
        item.Close();
        return new JsonObject { ["role"] = role == "developer" ? "system" : role, ["content"] = content };
    }

    private static string? ReadContent(FieldReader item)
    {
        if (item.Any("content") is not { } content) return null;
        if (content.ValueKind == JsonValueKind.String) return item.Text("content");
        if (item.Objects("content") is not { } parts) return null;
        var texts = new List<string>();
        foreach (var part in parts)
        {
            part.Word("type", "input_text", "output_text", "text");
            if (part.Text("text") is { } text) texts.Add(text);
            else if (part.Any("text") is null) part.Fault("text", "is missing: a string.", "missing_required_parameter");
            part.Accept("annotations", "logprobs");
            part.Close();
        }

        return string.Join('\n', texts);
    }

    private static void Tolerate(FieldReader body)
    {
        body.Accept("model", "metadata", "user", "store", "service_tier", "include", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "stream_options");
        body.Refuse("tools", "an empty array", value => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0);
        body.Refuse("tool_choice", "\"none\" or \"auto\"", value => value.ValueKind == JsonValueKind.String && (value.ValueEquals("none") || value.ValueEquals("auto")));
        body.Refuse("truncation", "\"disabled\"", value => value.ValueKind == JsonValueKind.String && value.ValueEquals("disabled"));
        body.Refuse("background", "false", AnswerFields.IsFalse);
        if (body.Object("text") is not { } text) return;
        text.Refuse("format", "{\"type\": \"text\"}", value =>
            value.ValueKind == JsonValueKind.Object && value.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("text"));
        text.Close();
    }
}
