using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.Grammars;

namespace FinerCut.Worker.Tools;

/// <summary>Tools for models whose template knows none: told in words, called in JSON that a grammar enforces.</summary>
internal static class GenericTools
{
    public static List<JsonObject> Rewrite(List<JsonObject> messages, ToolRequest request, bool takesSystem)
    {
        var names = messages.SelectMany(message => message["tool_calls"] as JsonArray ?? []).OfType<JsonObject>()
            .GroupBy(call => call["id"]?.ToString() ?? "").ToDictionary(group => group.Key, group => group.First()["function"]?["name"]?.ToString() ?? "");
        var all = new List<JsonObject>();
        foreach (var message in messages)
        {
            switch (message["role"]?.ToString())
            {
                case "tool":
                    var name = names.GetValueOrDefault(message["tool_call_id"]?.ToString() ?? "", "");
                    Say(all, $"Result of {(name.Length > 0 ? name : "the tool")}:\n{Text(message["content"])}");
                    break;
                case "assistant" when message["tool_calls"] is JsonArray calls:
                    message["content"] = Calls(calls);
                    message.Remove("tool_calls");
                    all.Add(message);
                    break;
                case "assistant" when request.IsActive:
                    message["content"] = $"{{\"response\": {JsonSpelling.Value(Text(message["content"]))}}}";
                    all.Add(message);
                    break;
                case "user" when all.Count > 0 && all[^1].ContainsKey(Mark):
                    Say(all, Text(message["content"]));
                    break;
                default:
                    all.Add(message);
                    break;
            }
        }

        foreach (var message in all) message.Remove(Mark);
        if (request.IsActive) Instruct(all, Instruction(request), takesSystem);
        return all;
    }

    /// <summary>Set on a message that was made of tools' results, so that more can be added to it: many templates want turns to alternate.</summary>
    private const string Mark = "$results";

    private static void Say(List<JsonObject> all, string text)
    {
        if (all.Count > 0 && all[^1].ContainsKey(Mark)) all[^1]["content"] = Text(all[^1]["content"]) + "\n\n" + text;
        else all.Add(new JsonObject { ["role"] = "user", ["content"] = text, [Mark] = true });
    }

    private static string Calls(JsonArray calls)
    {
        var written = calls.OfType<JsonObject>().Select(call => $"{{\"name\": {JsonSpelling.Value(call["function"]?["name"]?.ToString() ?? "")}, \"arguments\": {Arguments(call["function"]?["arguments"])}}}").ToList();
        return written.Count == 1 ? $"{{\"tool_call\": {written[0]}}}" : $"{{\"tool_calls\": [{string.Join(", ", written)}]}}";
    }

    private static string Arguments(JsonNode? arguments) => arguments is null ? "{}" : arguments.ToJsonString(JsonSpelling.Relaxed);

    private static void Instruct(List<JsonObject> all, string instruction, bool takesSystem)
    {
        var first = all.Find(message => message["role"]?.ToString() is "system" or "developer");
        var target = takesSystem ? first : all.Find(message => message["role"]?.ToString() == "user");
        if (target is null) all.Insert(0, new JsonObject { ["role"] = takesSystem ? "system" : "user", ["content"] = instruction });
        else if (takesSystem) target["content"] = Text(target["content"]) + "\n\n" + instruction;
        else target["content"] = instruction + "\n\n" + Text(target["content"]);
    }

    private static string Instruction(ToolRequest request)
    {
        var text = new StringBuilder("You can call these tools:\n");
        foreach (var tool in request.Callable)
        {
            text.Append("{\"name\": ").Append(JsonSpelling.Value(tool.Name));
            if (tool.Description is not null) text.Append(", \"description\": ").Append(JsonSpelling.Value(tool.Description));
            text.Append(", \"parameters\": ").Append(tool.Parameters is { } schema ? JsonSpelling.Value(schema) : "{}").Append("}\n");
        }

        text.Append("\nAnswer with one JSON object and nothing else. To call a tool: {\"tool_call\": {\"name\": \"...\", \"arguments\": {...}}}");
        if (request.IsParallel) text.Append(", or several at once: {\"tool_calls\": [{\"name\": \"...\", \"arguments\": {...}}, ...]}");
        return text.Append(request.IsForced ? ". You must call a tool now." : ". To answer the user: {\"response\": \"...\"}").ToString();
    }

    private static string Text(JsonNode? content) => content switch
    {
        null => "",
        JsonArray parts => string.Join('\n', parts.OfType<JsonObject>().Select(part => part["text"]?.ToString() ?? "")),
        JsonValue value when value.GetValueKind() == JsonValueKind.String => value.ToString(),
        _ => content.ToJsonString(JsonSpelling.Relaxed),
    };
}
