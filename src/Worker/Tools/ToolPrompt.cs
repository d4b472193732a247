using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace FinerCut.Worker.Tools;

/// <summary>Messages and tools as the model's template takes them.</summary>
/// <param name="Tools">For the template's "tools"; null where it is told of none.</param>
public sealed record ToolPrompt(JsonElement Messages, JsonElement? Tools)
{
    /// <summary>
    /// Fits a conversation to a family: arguments become objects, ids what Mistral's templates demand, several calls of one message one message
    /// each for Llama 3; for models without a form of their own calls and their results become text, and an instruction is added.
    /// </summary>
    /// <param name="messages">Checked by <see cref="ToolRequestReader.CheckMessages"/>.</param>
    /// <param name="takesSystem">Whether the template takes a system message; if not, the instruction goes before the first user's text.</param>
    public static ToolPrompt Build(ToolRequest request, ToolFamily family, JsonElement messages, bool takesSystem = true)
    {
        ArgumentNullException.ThrowIfNull(request);
        var all = JsonArray.Create(messages)!.Select(message => message!.DeepClone().AsObject()).ToList();
        foreach (var message in all) Normalise(message, family);
        all = family switch
        {
            ToolFamily.Llama3 => OneCallEach(all),
            ToolFamily.Generic => GenericTools.Rewrite(all, request, takesSystem),
            _ => all,
        };
        var array = new JsonArray([.. all]);
        var written = JsonSerializer.SerializeToElement(array, ToolJson.Default.JsonArray);
        return new ToolPrompt(written, request.IsActive && family.IsNative() ? request.Source : null);
    }

    /// <summary>Whether a template takes a system message, by what it says when it does not (Gemma, some of Mistral).</summary>
    public static bool TakesSystem(string template)
    {
        ArgumentNullException.ThrowIfNull(template);
        return !template.Contains("System role not supported", StringComparison.OrdinalIgnoreCase);
    }

    private static void Normalise(JsonObject message, ToolFamily family)
    {
        if (message["role"]?.ToString() is "assistant" or "tool" && message["content"] is null) message["content"] = "";
        var isMistral = family is ToolFamily.MistralList or ToolFamily.MistralArgs;
        if (isMistral && message["tool_call_id"] is JsonValue answered) message["tool_call_id"] = ShortId(answered.ToString());
        if (message["tool_calls"] is not JsonArray calls)
        {
            message.Remove("tool_calls");
            return;
        }

        if (calls.Count == 0) message.Remove("tool_calls");
        foreach (var call in calls.OfType<JsonObject>())
        {
            if (isMistral && call["id"] is JsonValue id) call["id"] = ShortId(id.ToString());
            if (call["function"] is not JsonObject function) continue;
            var text = function["arguments"] is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.ToString() : null;
            if (family == ToolFamily.FunctionaryRecipients)
            {
                // Its template concatenates: there arguments must be text.
                if (text is null) function["arguments"] = function["arguments"]?.ToJsonString() ?? "{}";
            }
            else if (text is not null && Parse(text) is { } arguments)
            {
                function["arguments"] = arguments;
            }
        }
    }

    /// <summary>Nine letters and digits, as Mistral's templates demand: the id itself where it is so, else always the same for the same id.</summary>
    private static string ShortId(string id)
    {
        if (id.Length == 9 && id.All(char.IsAsciiLetterOrDigit)) return id;
        return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(id)))[..9];
    }

    internal static JsonObject? Parse(string text)
    {
        try
        {
            var options = new JsonDocumentOptions { AllowDuplicateProperties = false };
            return text.Trim().Length == 0 ? [] : JsonNode.Parse(text, documentOptions: options) as JsonObject;
        }
        catch (JsonException)
        {
            return null; // What the model once wrote stays as it is.
        }
    }

    /// <summary>Llama 3's templates refuse several calls in a message: each gets its own, followed by its result.</summary>
    private static List<JsonObject> OneCallEach(List<JsonObject> messages)
    {
        var all = new List<JsonObject>();
        for (var i = 0; i < messages.Count; i++)
        {
            if (messages[i]["tool_calls"] is not JsonArray { Count: > 1 } calls)
            {
                all.Add(messages[i]);
                continue;
            }

            var message = messages[i];
            var results = messages.Skip(i + 1).TakeWhile(next => next["role"]?.ToString() == "tool").ToList();
            i += results.Count;
            foreach (var call in calls)
            {
                var one = message.DeepClone().AsObject();
                one["tool_calls"] = new JsonArray(call!.DeepClone());
                all.Add(one);
                var own = results.Where(result => result["tool_call_id"]?.ToString() == call["id"]?.ToString()).ToList();
                all.AddRange(own);
                results.RemoveAll(own.Contains);
            }

            all.AddRange(results);
        }

        return all;
    }
}

[JsonSerializable(typeof(JsonArray))]
[JsonSerializable(typeof(JsonObject))]
internal sealed partial class ToolJson : JsonSerializerContext;
