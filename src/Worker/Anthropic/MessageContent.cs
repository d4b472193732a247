using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Anthropic;

/// <summary>From Anthropic's content blocks to OpenAI's messages.</summary>
internal static class MessageContent
{
    /// <summary>A string, or text blocks joined by line breaks; null where the member is absent.</summary>
    public static string? ReadText(FieldReader reader, string name)
    {
        if (reader.Any(name) is not { } content) return null;
        if (content.ValueKind == JsonValueKind.String) return reader.Text(name);
        if (reader.Objects(name) is not { } blocks) return null;
        var texts = new List<string>();
        foreach (var block in blocks)
        {
            Kind(block, "text");
            Text(block, texts);
            block.Close();
        }

        return string.Join('\n', texts);
    }

    /// <summary>Adds what a user's message amounts to: results of tools, then the text.</summary>
    public static void ReadUser(FieldReader message, JsonArray messages)
    {
        if (message.Any("content") is { ValueKind: JsonValueKind.String })
        {
            messages.Add(new JsonObject { ["role"] = "user", ["content"] = message.Text("content") });
            return;
        }

        var texts = new List<string>();
        var results = 0;
        foreach (var block in message.Objects("content") ?? [])
        {
            switch (Kind(block, "text", "tool_result"))
            {
                case "text":
                    Text(block, texts);
                    break;
                case "tool_result":
                    results++;
                    var text = ReadText(block, "content") ?? "";
                    var isError = block.Flag("is_error") ?? false;
                    block.Accept("cache_control");
                    messages.Add(new JsonObject { ["role"] = "tool", ["tool_call_id"] = Id(block, "tool_use_id"), ["content"] = isError ? $"Error: {text}" : text });
                    break;
            }

            block.Close();
        }

        if (texts.Count > 0 || results == 0) messages.Add(new JsonObject { ["role"] = "user", ["content"] = string.Join('\n', texts) });
    }

    /// <summary>An assistant's message: text, thinking, calls.</summary>
    public static JsonObject ReadAssistant(FieldReader message)
    {
        var result = new JsonObject { ["role"] = "assistant" };
        if (message.Any("content") is { ValueKind: JsonValueKind.String })
        {
            result["content"] = message.Text("content");
            return result;
        }

        var (texts, thoughts, calls) = (new List<string>(), new List<string>(), new JsonArray());
        foreach (var block in message.Objects("content") ?? [])
        {
            switch (Kind(block, "text", "thinking", "tool_use"))
            {
                case "text":
                    Text(block, texts);
                    break;
                case "thinking":
                    if (block.Text("thinking") is { } thought) thoughts.Add(thought);
                    block.Accept("signature");
                    break;
                case "tool_use":
                    calls.Add(Call(block));
                    break;
            }

            block.Close();
        }

        result["content"] = texts.Count == 0 && calls.Count > 0 ? null : string.Join('\n', texts);
        if (thoughts.Count > 0) result["reasoning_content"] = string.Join('\n', thoughts);
        if (calls.Count > 0) result["tool_calls"] = calls;
        return result;
    }

    private static JsonObject Call(FieldReader block)
    {
        var input = block.Any("input");
        if (input is not { ValueKind: JsonValueKind.Object }) block.Fault("input", "must be an object.", "invalid_type");
        var name = block.Text("name");
        if (name is null && block.Any("name") is null) block.Fault("name", "is missing: a string.", "missing_required_parameter");
        block.Accept("cache_control", "caller");
        return new JsonObject
        {
            ["id"] = Id(block, "id"),
            ["type"] = "function",
            ["function"] = new JsonObject { ["name"] = name, ["arguments"] = input?.GetRawText() ?? "{}" },
        };
    }

    private static string? Kind(FieldReader block, params ReadOnlySpan<string> allowed)
    {
        var kind = block.Word("type", allowed);
        if (kind is null && block.Any("type") is null) block.Fault("type", $"is missing: one of {string.Join(", ", allowed.ToArray())}.", "missing_required_parameter");
        return kind;
    }

    private static string? Id(FieldReader block, string name)
    {
        var id = block.Text(name);
        if (id is null && block.Any(name) is null) block.Fault(name, "is missing: a string.", "missing_required_parameter");
        return id;
    }

    private static void Text(FieldReader block, List<string> texts)
    {
        if (block.Text("text") is { } text) texts.Add(text);
        else if (block.Any("text") is null) block.Fault("text", "is missing: a string.", "missing_required_parameter");
        block.Accept("cache_control", "citations");
    }
}
