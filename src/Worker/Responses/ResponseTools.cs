using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Tools;

namespace FinerCut.Worker.Responses;

/// <summary>The tools and tool_choice of responses, which lie flatter than those of chat completions, as the latter.</summary>
internal static class ResponseTools
{
    public static ToolRequest Read(FieldReader body)
    {
        var source = new JsonObject();
        if (body.Objects("tools") is { } tools) source["tools"] = new JsonArray([.. tools.Select(Tool)]);
        if (body.Any("parallel_tool_calls") is { } parallel) source["parallel_tool_calls"] = JsonNode.Parse(parallel.GetRawText());
        if (body.Any("tool_choice") is { ValueKind: JsonValueKind.Object }) source["tool_choice"] = Named(body.Object("tool_choice")!);
        // Clients send "auto" whether there are tools or not.
        else if (body.Text("tool_choice") is { } word && (word is not ("auto" or "none") || source["tools"] is not null)) source["tool_choice"] = word;
        return ToolFields.Read(body, JsonSerializer.SerializeToElement(source, OpenAiJson.Default.JsonObject), Rename);
    }

    /// <summary>From a path in the chat completions' tools to that in the body as it came.</summary>
    public static string Rename(string path) => path.Replace("].function.", "].", StringComparison.Ordinal).Replace("tool_choice.function.name", "tool_choice.name", StringComparison.Ordinal);

    private static JsonNode Tool(FieldReader tool)
    {
        var kind = tool.Word("type", "function");
        if (kind is null && tool.Any("type") is null) tool.Fault("type", "is missing: only \"function\" is served here.", "missing_required_parameter");
        var function = new JsonObject();
        foreach (var name in (string[])["name", "description", "parameters", "strict"])
        {
            if (tool.Any(name) is { } value) function[name] = JsonNode.Parse(value.GetRawText());
        }

        // A tool of the server's own has fields of its own: its type is the fault to name.
        if (kind is not null) tool.Close();
        return new JsonObject { ["type"] = "function", ["function"] = kind is null ? new JsonObject { ["name"] = "none" } : function };
    }

    private static JsonObject? Named(FieldReader choice)
    {
        choice.Word("type", "function");
        var name = choice.Text("name");
        if (name is null && choice.Any("name") is null) choice.Fault("name", "is missing: the function to call.", "missing_required_parameter");
        choice.Close();
        return name is null ? null : new JsonObject { ["type"] = "function", ["function"] = new JsonObject { ["name"] = name } };
    }
}
