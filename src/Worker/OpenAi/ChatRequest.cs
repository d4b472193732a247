using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.Chats;

namespace FinerCut.Worker.OpenAi;

/// <summary>A body of /v1/chat/completions (or /apply-template), checked.</summary>
internal sealed record ChatRequest(AnswerFields Answer, ChatInput Input)
{
    private static readonly ImmutableArray<string> Roles = ["system", "developer", "user", "assistant", "tool"];

    /// <exception cref="ApiException">400 with every fault.</exception>
    public static ChatRequest Read(JsonElement root, RequestLimits limits)
    {
        var body = new FieldReader(root);
        var (prompts, continues) = (body.Flag("add_generation_prompt"), body.Flag("continue_final_message"));
        if (prompts == true && continues == true) body.Fault("continue_final_message", "excludes add_generation_prompt: one of both may be true.", "invalid_value");
        // As in llama-server, a last message by the assistant is the beginning of the answer unless the client says otherwise.
        var messages = ReadMessages(body, continues ?? prompts ?? true, out var prefill);
        ToolFields.CheckMessages(body, messages);
        var variables = body.Any("chat_template_kwargs");
        if (variables is { ValueKind: not JsonValueKind.Object }) body.Fault("chat_template_kwargs", "must be an object.", "invalid_type");
        RefuseFeatures(body);
        var tools = ToolFields.Read(body, root);
        var format = AnswerFormat.ReadNested(body, "response_format");
        var splits = body.Word("reasoning_format", "none", "auto", "deepseek") != "none";
        var answer = AnswerFields.Read(body, limits, isChat: true);
        OneForm.Require(body, tools, format, answer, "response_format");
        body.Close();
        body.ThrowIfFaulty();
        // What it goes on from stands behind the prompt for an answer, whether or not the client asks for that.
        var input = new ChatInput(messages, tools, format, (prompts ?? true) || prefill is not null, variables, prefill ?? "") { SplitsReasoning = splits };
        return new ChatRequest(answer, input);
    }

    private static void RefuseFeatures(FieldReader body)
    {
        body.Refuse("post_sampling_probs", "false; /completion has them", AnswerFields.IsFalse);
        body.Refuse("functions", "an empty array; use tools", value => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0);
        body.Refuse("function_call", "\"none\"; use tool_choice", value => value.ValueKind == JsonValueKind.String && value.ValueEquals("none"));
        body.Refuse("modalities", "[\"text\"]", value =>
            value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String && item.ValueEquals("text")));
    }

    /// <param name="prefill">Result: the last message, where it is the beginning of the answer.</param>
    private static JsonElement ReadMessages(FieldReader body, bool continues, out string? prefill)
    {
        prefill = null;
        var readers = body.Objects("messages");
        if (readers is null or { Length: 0 })
        {
            if (readers is not null || !body.HasFaults) body.Fault("messages", "must be an array with at least one message.", "missing_required_parameter");
            return default;
        }

        var messages = new JsonArray();
        foreach (var reader in readers) messages.Add(ReadMessage(reader));
        if (continues && (string?)messages[^1]!["role"] == "assistant" && messages[^1] is JsonObject last && !last.ContainsKey("tool_calls") && !last.ContainsKey("reasoning_content"))
        {
            prefill = last["content"] is JsonArray parts ? string.Join("\n\n", parts.Select(part => (string?)part!["text"])) : (string?)last["content"] ?? "";
            messages.RemoveAt(messages.Count - 1);
        }

        return JsonSerializer.SerializeToElement(messages, OpenAiJson.Default.JsonArray);
    }

    private static JsonObject ReadMessage(FieldReader reader)
    {
        var role = reader.Word("role", [.. Roles]);
        if (role is null && reader.Any("role") is null) reader.Fault("role", $"is missing: one of {string.Join(", ", Roles)}.", "missing_required_parameter");
        var message = new JsonObject { ["role"] = role == "developer" ? "system" : role };
        if (ReadContent(reader) is { } content) message["content"] = content;
        else if (role != "assistant") reader.Fault("content", "is missing: a string, or an array of text parts.", "missing_required_parameter");
        if (reader.Text("name") is { } name) message["name"] = name;
        if (reader.Text("reasoning_content") is { } reasoning) message["reasoning_content"] = reasoning;
        // Looked into by ToolFields.CheckMessages.
        if (reader.Any("tool_calls") is { } calls) message["tool_calls"] = JsonNode.Parse(calls.GetRawText());
        if (reader.Any("tool_call_id") is { } id) message["tool_call_id"] = JsonNode.Parse(id.GetRawText());
        reader.Accept("refusal", "annotations", "audio");
        reader.Close();
        return message;
    }

    /// <summary>A string, or an array of {"type": "text", "text": ...}, as it came.</summary>
    private static JsonNode? ReadContent(FieldReader reader)
    {
        if (reader.Any("content") is not { } content) return null;
        if (content.ValueKind == JsonValueKind.String) return reader.Text("content") is { } text ? JsonValue.Create(text) : null;
        if (reader.Objects("content") is not { } parts) return null;
        var array = new JsonArray();
        foreach (var part in parts)
        {
            part.Word("type", "text");
            if (part.Any("type") is null) part.Fault("type", "is missing: only \"text\" parts are taken.", "missing_required_parameter");
            var text = part.Text("text");
            if (text is null && part.Any("text") is null) part.Fault("text", "is missing: a string.", "missing_required_parameter");
            part.Accept("cache_control", "prompt_cache_breakpoint");
            part.Close();
            array.Add(new JsonObject { ["type"] = "text", ["text"] = text });
        }

        return array;
    }
}
