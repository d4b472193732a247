using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Recording;

namespace FinerCut.Gateway.Redaction;

/// <summary>What the settings and the recorder need of redaction.</summary>
public static class ConversationRedaction
{
    /// <summary>Members whose texts are words of the protocol.</summary>
    private static readonly HashSet<string> Protocol = new(StringComparer.Ordinal) { "role", "type", "tool_call_id", "id" };

    /// <summary>Every text of a conversation without what is to be taken out. Equal prompts stay equal, those that differ only in what was taken out become so. Pure.</summary>
    public static Conversation Apply(Redactor redactor, Conversation conversation)
    {
        var answer = redactor.Redact(conversation.Answer);
        if (conversation.Messages is { } messages)
        {
            var redacted = Walk(redactor, JsonNode.Parse(messages))!.ToJsonString();
            return new Conversation(SHA256.HashData(Encoding.UTF8.GetBytes(redacted)), redacted, null, answer);
        }

        var prompt = redactor.Redact(conversation.Prompt ?? "");
        return new Conversation(SHA256.HashData(Encoding.UTF8.GetBytes("\0" + prompt)), null, prompt, answer);
    }

    /// <summary>Redaction:{Email,Phone,Card,Key} switch what is known off; Redaction:Rules:NAME:Pattern adds own rules.</summary>
    internal static RedactionConfig Read(SectionReader section)
    {
        var rules = new List<RedactionRule>();
        foreach (var (name, reader) in section.Named("Rules"))
        {
            var rule = new RedactionRule(name, reader.Text("Pattern") ?? "");
            if (Redactor.Check(rule) is { } wrong) reader.Error("Pattern", rule.Pattern, wrong);
            else rules.Add(rule);
        }

        return new RedactionConfig(section.Flag("Email", true), section.Flag("Phone", true), section.Flag("Card", true), section.Flag("Key", true), [.. rules]);
    }

    private static JsonNode? Walk(Redactor redactor, JsonNode? node)
    {
        switch (node)
        {
            case JsonObject members:
                foreach (var (name, value) in members.ToList())
                {
                    if (!Protocol.Contains(name)) members[name] = Walk(redactor, value?.DeepClone());
                }

                return members;
            case JsonArray items:
                for (var i = 0; i < items.Count; i++) items[i] = Walk(redactor, items[i]?.DeepClone());
                return items;
            case JsonValue value when value.TryGetValue<string>(out var text):
                return JsonValue.Create(redactor.Redact(text));
            default:
                return node;
        }
    }
}
