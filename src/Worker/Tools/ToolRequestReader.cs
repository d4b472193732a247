using System.Collections.Immutable;
using System.Text.Json;
using FinerCut.Worker.Grammars;

namespace FinerCut.Worker.Tools;

/// <summary>
/// Reads the fields "tools", "tool_choice" and "parallel_tool_calls" of a chat request, and the calls in its messages. Collects all faults.
/// Pure.
/// </summary>
public static class ToolRequestReader
{
    public const int MaxTools = 128;
    private const int MaxName = 64;

    /// <exception cref="ToolsRefusedException">Some of the fields cannot be taken.</exception>
    public static ToolRequest Read(JsonElement body)
    {
        var faults = new List<ToolFault>();
        var tools = new List<ToolDefinition>();
        var hasTools = Has(body, "tools", out var source);
        if (hasTools) Tools(source, tools, faults);
        var choice = Has(body, "tool_choice", out var chosen) ? Choice(chosen, hasTools, tools, faults) : null;
        var parallel = true;
        if (Has(body, "parallel_tool_calls", out var flag))
        {
            if (flag.ValueKind is JsonValueKind.True or JsonValueKind.False) parallel = flag.GetBoolean();
            else faults.Add(new ToolFault("parallel_tool_calls", "must be true or false.", "invalid_type"));
        }

        if (faults.Count > 0) throw new ToolsRefusedException([.. faults]);
        choice ??= tools.Count > 0 ? ToolChoice.Auto : ToolRequest.None.Choice;
        return new ToolRequest([.. tools], choice, parallel, tools.Count > 0 ? source : default);
    }

    /// <summary>Faults of the calls in assistants' messages and of the answers to them; other fields are not looked at.</summary>
    public static ImmutableArray<ToolFault> CheckMessages(JsonElement messages)
    {
        var faults = new List<ToolFault>();
        if (messages.ValueKind != JsonValueKind.Array) return [];
        var i = 0;
        foreach (var message in messages.EnumerateArray())
        {
            var path = $"messages[{i++}]";
            if (message.ValueKind != JsonValueKind.Object) continue;
            var role = Has(message, "role", out var who) && who.ValueKind == JsonValueKind.String ? who.GetString() : null;
            if (role == "tool" && Text(message, "tool_call_id") is null)
                faults.Add(new ToolFault($"{path}.tool_call_id", "must be a string: the id of the call that this message answers.", "missing"));
            if (!Has(message, "tool_calls", out var calls)) continue;
            if (role != "assistant") faults.Add(new ToolFault($"{path}.tool_calls", "belongs to messages of the assistant.", "invalid_value"));
            else if (calls.ValueKind != JsonValueKind.Array) faults.Add(new ToolFault($"{path}.tool_calls", "must be an array.", "invalid_type"));
            else Calls(calls, $"{path}.tool_calls", faults);
        }

        return [.. faults];
    }

    private static void Calls(JsonElement calls, string path, List<ToolFault> faults)
    {
        var i = 0;
        foreach (var call in calls.EnumerateArray())
        {
            var at = $"{path}[{i++}]";
            if (call.ValueKind != JsonValueKind.Object || !Has(call, "function", out var function) || function.ValueKind != JsonValueKind.Object)
            {
                faults.Add(new ToolFault($"{at}.function", "must be an object with name and arguments.", "missing"));
                continue;
            }

            if (Text(call, "id") is null) faults.Add(new ToolFault($"{at}.id", "must be a string.", "missing"));
            if (Has(call, "type", out var type) && !Is(type, "function")) faults.Add(new ToolFault($"{at}.type", "must be \"function\".", "invalid_value"));
            if (Text(function, "name") is null or "") faults.Add(new ToolFault($"{at}.function.name", "must be a string.", "missing"));
            if (!Has(function, "arguments", out var arguments) || arguments.ValueKind is not (JsonValueKind.String or JsonValueKind.Object))
                faults.Add(new ToolFault($"{at}.function.arguments", "must be a string that holds a JSON object.", "invalid_type"));
        }
    }

    private static void Tools(JsonElement source, List<ToolDefinition> tools, List<ToolFault> faults)
    {
        if (source.ValueKind != JsonValueKind.Array)
        {
            faults.Add(new ToolFault("tools", "must be an array.", "invalid_type"));
            return;
        }

        if (source.GetArrayLength() > MaxTools) faults.Add(new ToolFault("tools", $"takes at most {MaxTools} tools.", "invalid_value"));
        var i = 0;
        foreach (var tool in source.EnumerateArray().Take(MaxTools))
        {
            var path = $"tools[{i++}]";
            if (tool.ValueKind != JsonValueKind.Object)
            {
                faults.Add(new ToolFault(path, "must be an object.", "invalid_type"));
                continue;
            }

            Only(tool, path, faults, "type", "function");
            if (!Has(tool, "type", out var type) || !Is(type, "function")) faults.Add(new ToolFault($"{path}.type", "must be \"function\"; other tools are not served here.", "invalid_value"));
            else if (!Has(tool, "function", out var function) || function.ValueKind != JsonValueKind.Object) faults.Add(new ToolFault($"{path}.function", "must be an object.", "missing"));
            else Function(function, $"{path}.function", tools, faults);
        }
    }

    private static void Function(JsonElement function, string path, List<ToolDefinition> tools, List<ToolFault> faults)
    {
        var before = faults.Count;
        Only(function, path, faults, "name", "description", "parameters", "strict");
        var name = Text(function, "name");
        if (name is null || name.Length is 0 or > MaxName || !name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-' or '.'))
            faults.Add(new ToolFault($"{path}.name", $"must have 1 to {MaxName} of the characters a-z, A-Z, 0-9, _, - and the point.", "invalid_value"));
        else if (tools.Any(tool => tool.Name == name)) faults.Add(new ToolFault($"{path}.name", "is the name of another tool as well.", "invalid_value"));

        if (Has(function, "description", out _) && Text(function, "description") is null) faults.Add(new ToolFault($"{path}.description", "must be a string.", "invalid_type"));
        if (Has(function, "strict", out var strict) && strict.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            faults.Add(new ToolFault($"{path}.strict", "must be true or false.", "invalid_type"));
        JsonElement? parameters = Has(function, "parameters", out var schema) ? schema : null;
        if (parameters is { } given)
        {
            if (given.ValueKind != JsonValueKind.Object) faults.Add(new ToolFault($"{path}.parameters", "must be a JSON schema of an object.", "invalid_type"));
            else if (Broken(given, $"{path}.parameters") is { } fault) faults.Add(fault);
            else if (Has(given, "type", out var type) && !Is(type, "object")) faults.Add(new ToolFault($"{path}.parameters.type", "must be \"object\".", "invalid_value"));
        }

        if (faults.Count == before) tools.Add(new ToolDefinition(name!, Text(function, "description"), parameters, strict.ValueKind == JsonValueKind.True));
    }

    /// <summary>Whether a schema cannot even be read: half a surrogate pair, or nested without measure.</summary>
    private static ToolFault? Broken(JsonElement schema, string path)
    {
        try
        {
            GrammarBuilder.Texts(schema, path, GrammarLimits.Default.Depth);
            return null;
        }
        catch (SchemaRefusedException e)
        {
            return new ToolFault(e.Path, e.Reason, "invalid_value");
        }
    }

    private static ToolChoice? Choice(JsonElement value, bool hasTools, List<ToolDefinition> tools, List<ToolFault> faults)
    {
        ToolChoice? choice = null;
        if (value.ValueKind == JsonValueKind.String)
        {
            choice = value.GetString() switch
            {
                "auto" => ToolChoice.Auto,
                "none" => ToolRequest.None.Choice,
                "required" => new ToolChoice(ToolChoiceKind.Required),
                _ => null,
            };
        }
        else if (value.ValueKind == JsonValueKind.Object && Has(value, "type", out var type) && Is(type, "function")
            && Has(value, "function", out var function) && function.ValueKind == JsonValueKind.Object && Text(function, "name") is { } name)
        {
            choice = new ToolChoice(ToolChoiceKind.Named, name);
            if (hasTools && tools.All(tool => tool.Name != name)) faults.Add(new ToolFault("tool_choice.function.name", "is not the name of one of the tools.", "invalid_value"));
        }

        if (choice is null) faults.Add(new ToolFault("tool_choice", "must be \"auto\", \"none\", \"required\" or {\"type\":\"function\",\"function\":{\"name\":...}}.", "invalid_value"));
        else if (choice.Kind != ToolChoiceKind.None && !hasTools) faults.Add(new ToolFault("tool_choice", "is given without \"tools\".", "invalid_value"));
        else if (choice.Kind is ToolChoiceKind.Required && tools.Count == 0 && faults.Count == 0) faults.Add(new ToolFault("tools", "must not be empty where a call is required.", "invalid_value"));
        return choice;
    }

    private static void Only(JsonElement value, string path, List<ToolFault> faults, params ReadOnlySpan<string> allowed)
    {
        foreach (var member in value.EnumerateObject())
        {
            if (!allowed.Contains(member.Name)) faults.Add(new ToolFault($"{path}.{member.Name}", $"is not a field here. Allowed: {string.Join(", ", allowed.ToArray())}.", "unknown_parameter"));
        }
    }

    private static bool Has(JsonElement value, string name, out JsonElement member)
    {
        member = default;
        return value.ValueKind == JsonValueKind.Object && value.TryGetProperty(name, out member) && member.ValueKind != JsonValueKind.Null;
    }

    private static bool Is(JsonElement value, string text) => value.ValueKind == JsonValueKind.String && value.ValueEquals(text);

    private static string? Text(JsonElement value, string name)
    {
        if (!Has(value, name, out var text) || text.ValueKind != JsonValueKind.String) return null;
        try
        {
            return text.GetString();
        }
        catch (InvalidOperationException)
        {
            return null; // Half a surrogate pair is no text.
        }
    }
}
