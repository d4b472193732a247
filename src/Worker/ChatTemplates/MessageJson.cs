using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace FinerCut.Worker.ChatTemplates;

/// <summary>Chat messages in the form a template takes: content as one string (parts joined by a line break), or as text parts.</summary>
internal static class MessageJson
{
    public static void Write(Utf8JsonWriter json, JsonElement messages, bool asParts)
    {
        json.WriteStartArray();
        foreach (var message in messages.EnumerateArray())
        {
            json.WriteStartObject();
            foreach (var member in message.EnumerateObject())
            {
                if (member.NameEquals("content")) Content(json, member.Value, asParts);
                else member.WriteTo(json);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Text of a content: a string, or text parts joined by line breaks; null and other kinds are empty.</summary>
    public static string Text(JsonElement content) => content.ValueKind switch
    {
        JsonValueKind.String => content.GetString()!,
        JsonValueKind.Array => string.Join('\n', content.EnumerateArray().Select(part => part.TryGetProperty("text", out var text) ? text.GetString() : "")),
        _ => "",
    };

    private static void Content(Utf8JsonWriter json, JsonElement content, bool asParts)
    {
        json.WritePropertyName("content");
        if (content.ValueKind == JsonValueKind.Null)
        {
            // An assistant's message that only calls tools has no content; most templates concatenate it all the same.
            json.WriteStringValue("");
        }
        else if (asParts && content.ValueKind == JsonValueKind.String)
        {
            json.WriteStartArray();
            json.WriteStartObject();
            json.WriteString("type", "text");
            json.WriteString("text", content.GetString());
            json.WriteEndObject();
            json.WriteEndArray();
        }
        else if (asParts)
        {
            content.WriteTo(json);
        }
        else
        {
            json.WriteStringValue(Text(content));
        }
    }
}

[JsonSerializable(typeof(JsonArray))]
internal sealed partial class TemplateJson : JsonSerializerContext;
