using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.ChatTemplates;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Anthropic;

/// <summary>A body of /v1/messages or /v1/messages/count_tokens, checked.</summary>
/// <param name="Prefill">Text of a last message by the assistant, which the answer goes on from; empty where there is none.</param>
internal sealed record MessagesRequest(AnswerFields Answer, TemplateInput Template, string Prefill)
{
    private const int MostStops = 64;
    private const int LongestStop = 1024;

    /// <exception cref="ApiException">400 with every fault.</exception>
    public static MessagesRequest Read(JsonElement root, RequestLimits limits)
    {
        var body = new FieldReader(root);
        var messages = new JsonArray();
        if (ReadContent(body, "system") is { } system) messages.Add(new JsonObject { ["role"] = "system", ["content"] = system });
        var prefill = ReadMessages(body, messages);
        Tolerate(body);
        var answer = new AnswerFields
        {
            Sampling = SamplingFields.Read(body, limits.VocabularySize, limits.DefaultSeed),
            Stream = body.Flag("stream") ?? false,
            MaxTokens = (int?)body.Integer("max_tokens", 1, int.MaxValue),
            Stops = body.Texts("stop_sequences", MostStops, LongestStop),
            CachePrompt = body.Flag("cache_prompt") ?? true,
        };
        body.Close();
        body.ThrowIfFaulty();
        return new MessagesRequest(answer, new TemplateInput(JsonSerializer.SerializeToElement(messages, OpenAiJson.Default.JsonArray)), prefill);
    }

    private static string ReadMessages(FieldReader body, JsonArray messages)
    {
        var readers = body.Objects("messages");
        if (readers is null or { Length: 0 })
        {
            if (readers is not null || !body.HasFaults) body.Fault("messages", "must be an array with at least one message.", "missing_required_parameter");
            return "";
        }

        var prefill = "";
        for (var i = 0; i < readers.Value.Length; i++)
        {
            var reader = readers.Value[i];
            var role = reader.Word("role", "user", "assistant");
            if (role is null && reader.Any("role") is null) reader.Fault("role", "is missing: user or assistant.", "missing_required_parameter");
            var content = ReadContent(reader, "content");
            if (content is null && reader.Any("content") is null) reader.Fault("content", "is missing: a string, or an array of text blocks.", "missing_required_parameter");
            reader.Close();
            if (i == readers.Value.Length - 1 && role == "assistant") prefill = content ?? "";
            else messages.Add(new JsonObject { ["role"] = role, ["content"] = content });
        }

        return prefill;
    }

    /// <summary>A string, or text blocks joined by line breaks.</summary>
    private static string? ReadContent(FieldReader reader, string name)
    {
        if (reader.Any(name) is not { } content) return null;
        if (content.ValueKind == JsonValueKind.String) return reader.Text(name);
        if (reader.Objects(name) is not { } blocks) return null;
        var texts = new List<string>();
        foreach (var block in blocks)
        {
            block.Word("type", "text");
            if (block.Text("text") is { } text) texts.Add(text);
            else if (block.Any("text") is null) block.Fault("text", "is missing: a string.", "missing_required_parameter");
            block.Accept("cache_control", "citations");
            block.Close();
        }

        return string.Join('\n', texts);
    }

    private static void Tolerate(FieldReader body)
    {
        body.Accept("model", "metadata", "service_tier", "container");
        body.Refuse("tools", "an empty array", value => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0);
        body.Refuse("tool_choice", "{\"type\": \"none\"} or {\"type\": \"auto\"}", value => HasType(value, "none") || HasType(value, "auto"));
        body.Refuse("thinking", "{\"type\": \"disabled\"}", value => HasType(value, "disabled"));
    }

    private static bool HasType(JsonElement value, string type) =>
        value.ValueKind == JsonValueKind.Object && value.TryGetProperty("type", out var given) && given.ValueKind == JsonValueKind.String && given.ValueEquals(type);
}
