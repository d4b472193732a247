using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Tools;

namespace FinerCut.Worker.Anthropic;

/// <summary>Anthropic's tools and tool_choice, as the chat completions' that they amount to.</summary>
internal static class AnthropicTools
{
    public static ToolRequest Read(FieldReader body)
    {
        var source = new JsonObject();
        if (body.Objects("tools") is { } tools) source["tools"] = new JsonArray([.. tools.Select(Tool)]);
        if (body.Object("tool_choice") is { } choice) Choice(choice, source);
        return ToolFields.Read(body, JsonSerializer.SerializeToElement(source, OpenAiJson.Default.JsonObject), Rename);
    }

    /// <summary>From a path in the chat completions' tools to that in the body as it came.</summary>
    public static string Rename(string path) => path
        .Replace("].function.parameters", "].input_schema", StringComparison.Ordinal)
        .Replace("].function.", "].", StringComparison.Ordinal)
        .Replace("tool_choice.function.name", "tool_choice.name", StringComparison.Ordinal);

    private static JsonNode Tool(FieldReader tool)
    {
        // "custom" is what Anthropic calls tools of the client's own; its server's tools have other types.
        tool.Word("type", "custom");
        var function = new JsonObject();
        Copy("name", "name");
        Copy("description", "description");
        Copy("input_schema", "parameters");
        Copy("strict", "strict");
        tool.Accept("cache_control", "input_examples", "eager_input_streaming");
        if (tool.Any("input_schema") is null) tool.Fault("input_schema", "is missing: a JSON schema of an object.", "missing_required_parameter");
        tool.Close();
        return new JsonObject { ["type"] = "function", ["function"] = function };

        void Copy(string from, string to)
        {
            if (tool.Any(from) is { } value) function[to] = JsonNode.Parse(value.GetRawText());
        }
    }

    private static void Choice(FieldReader choice, JsonObject source)
    {
        var kind = choice.Word("type", "auto", "any", "tool", "none");
        if (kind is null && choice.Any("type") is null) choice.Fault("type", "is missing: auto, any, tool or none.", "missing_required_parameter");
        if (choice.Flag("disable_parallel_tool_use") is { } disabled) source["parallel_tool_calls"] = !disabled;
        var name = choice.Text("name");
        if (kind == "tool" && name is null) choice.Fault("name", "is missing: the tool to use.", "missing_required_parameter");
        if (kind is not null && kind != "tool" && name is not null) choice.Fault("name", "is only allowed with type \"tool\".", "invalid_value");
        choice.Close();
        source["tool_choice"] = kind switch
        {
            "any" => "required",
            "tool" when name is not null => new JsonObject { ["type"] = "function", ["function"] = new JsonObject { ["name"] = name } },
            "auto" or "none" => kind,
            _ => null,
        };
    }
}
