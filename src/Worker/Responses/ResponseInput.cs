using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Responses;

/// <summary>From the items of a response's input to chat messages: reasoning and calls join the assistant's message beside them.</summary>
internal sealed class ResponseInput(JsonArray messages)
{
    private JsonObject? _assistant;
    private string? _reasoning;

    public void Read(FieldReader body)
    {
        const string name = "input";
        if (body.Any(name) is not { } input)
        {
            if (!body.HasFaults) body.Fault(name, "is missing: a string, or an array of items.", "missing_required_parameter");
        }
        else if (input.ValueKind == JsonValueKind.String)
        {
            messages.Add(new JsonObject { ["role"] = "user", ["content"] = body.Text(name) });
        }
        else if (body.Objects(name) is { } items)
        {
            if (items.IsEmpty) body.Fault(name, "must have at least one item.", "missing_required_parameter");
            foreach (var item in items) ReadItem(item);
        }
    }

    private void ReadItem(FieldReader item)
    {
        switch (item.Word("type", "message", "function_call", "function_call_output", "reasoning") ?? (item.Any("type") is null ? "message" : null))
        {
            case "message":
                ReadMessage(item);
                break;
            case "function_call":
                ReadCall(item);
                break;
            case "function_call_output":
                messages.Add(new JsonObject { ["role"] = "tool", ["tool_call_id"] = Required(item, "call_id"), ["content"] = ReadText(item, "output") });
                _assistant = null;
                break;
            case "reasoning":
                _reasoning = ReadText(item, "content", isOptional: true);
                item.Accept("summary", "encrypted_content");
                _assistant = null;
                break;
            default:
                // The type is the fault; what else such an item has is beside the point.
                return;
        }

        item.Accept("id", "status");
        item.Close();
    }

    private void ReadMessage(FieldReader item)
    {
        var role = item.Word("role", "system", "developer", "user", "assistant");
        if (role is null && item.Any("role") is null) item.Fault("role", "is missing: system, developer, user or assistant.", "missing_required_parameter");
        var content = ReadText(item, "content");
        if (role == "assistant")
        {
            item.Accept("phase");
            Assistant()["content"] = content;
            return;
        }

        messages.Add(new JsonObject { ["role"] = role == "developer" ? "system" : role, ["content"] = content });
        _assistant = null;
    }

    private void ReadCall(FieldReader item)
    {
        var call = new JsonObject
        {
            ["id"] = Required(item, "call_id"),
            ["type"] = "function",
            ["function"] = new JsonObject { ["name"] = Required(item, "name"), ["arguments"] = Required(item, "arguments") },
        };
        _assistant ??= messages.Count > 0 && messages[^1] is JsonObject last && last["role"]?.ToString() == "assistant" ? last : null;
        var message = _assistant ?? Assistant();
        if (message["tool_calls"] is not JsonArray calls) message["tool_calls"] = calls = [];
        calls.Add(call);
    }

    private JsonObject Assistant()
    {
        _assistant = new JsonObject { ["role"] = "assistant", ["content"] = null };
        if (_reasoning is not null) _assistant["reasoning_content"] = _reasoning;
        _reasoning = null;
        messages.Add(_assistant);
        return _assistant;
    }

    private static string? Required(FieldReader item, string name)
    {
        var text = item.Text(name);
        if (text is null && item.Any(name) is null) item.Fault(name, "is missing: a string.", "missing_required_parameter");
        return text;
    }

    private static string? ReadText(FieldReader item, string name, bool isOptional = false)
    {
        if (item.Any(name) is not { } content)
        {
            if (!isOptional) item.Fault(name, "is missing: a string, or an array of text parts.", "missing_required_parameter");
            return null;
        }

        if (content.ValueKind == JsonValueKind.String) return item.Text(name);
        if (item.Objects(name) is not { } parts) return null;
        var texts = new List<string>();
        foreach (var part in parts)
        {
            part.Word("type", "input_text", "output_text", "text", "reasoning_text");
            if (part.Text("text") is { } text) texts.Add(text);
            else if (part.Any("text") is null) part.Fault("text", "is missing: a string.", "missing_required_parameter");
            part.Accept("annotations", "logprobs");
            part.Close();
        }

        return string.Join('\n', texts);
    }
}
