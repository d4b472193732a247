using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.Chats;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Anthropic;

/// <summary>A body of /v1/messages or /v1/messages/count_tokens, checked. A last message by the assistant is the beginning of the answer.</summary>
internal sealed record MessagesRequest(AnswerFields Answer, ChatInput Input)
{
    private const int MostStops = 64;
    private const int LongestStop = 1024;
    private const int LeastThinking = 1024;

    /// <exception cref="ApiException">400 with every fault.</exception>
    public static MessagesRequest Read(JsonElement root, RequestLimits limits, ChatTraits traits)
    {
        var body = new FieldReader(root);
        var messages = new JsonArray();
        if (MessageContent.ReadText(body, "system") is { } system) messages.Add(new JsonObject { ["role"] = "system", ["content"] = system });
        var prefill = ReadMessages(body, messages);
        body.Accept("model", "metadata", "service_tier", "container");
        var tools = AnthropicTools.Read(body);
        var variables = ReadThinking(body, traits);
        var answer = new AnswerFields
        {
            Sampling = SamplingFields.Read(body, limits.VocabularySize, limits.DefaultSeed),
            Stream = body.Flag("stream") ?? false,
            MaxTokens = (int?)body.Integer("max_tokens", 1, int.MaxValue),
            Stops = body.Texts("stop_sequences", MostStops, LongestStop),
            CachePrompt = body.Flag("cache_prompt") ?? true,
        };
        OneForm.Require(body, tools, AnswerFormat.Text, answer, "tools");
        body.Close();
        body.ThrowIfFaulty();
        var written = JsonSerializer.SerializeToElement(messages, OpenAiJson.Default.JsonArray);
        return new MessagesRequest(answer, new ChatInput(written, tools, AnswerFormat.Text, Variables: variables, Prefill: prefill));
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
            if (reader.Any("content") is null) reader.Fault("content", "is missing: a string, or an array of blocks.", "missing_required_parameter");
            if (role == "user") MessageContent.ReadUser(reader, messages);
            if (role == "assistant") prefill = ReadAssistant(reader, messages, isLast: i == readers.Value.Length - 1);
            reader.Close();
        }

        return prefill;
    }

    private static string ReadAssistant(FieldReader reader, JsonArray messages, bool isLast)
    {
        var message = MessageContent.ReadAssistant(reader);
        if (!isLast || message.ContainsKey("tool_calls") || message.ContainsKey("reasoning_content"))
        {
            messages.Add(message);
            return "";
        }

        return message["content"]?.ToString() ?? "";
    }

    /// <summary>The template's switch, where it has one. How long a model thinks is its own affair: max_tokens bounds thinking and answer together.</summary>
    private static JsonElement? ReadThinking(FieldReader body, ChatTraits traits)
    {
        if (body.Object("thinking") is not { } thinking) return null;
        var kind = thinking.Word("type", "enabled", "disabled", "adaptive");
        if (kind is null && thinking.Any("type") is null) thinking.Fault("type", "is missing: enabled, disabled or adaptive.", "missing_required_parameter");
        thinking.Integer("budget_tokens", LeastThinking, int.MaxValue);
        thinking.Accept("display");
        thinking.Close();
        if (kind == "enabled" && traits.Reasoning is null) body.Fault("thinking", "cannot be enabled: this model does not reason.", "unsupported_parameter");
        if (kind is null or "adaptive" || !traits.Switches.Contains(ChatTraits.ThinkingSwitch)) return null;
        return JsonSerializer.SerializeToElement(new JsonObject { [ChatTraits.ThinkingSwitch] = kind == "enabled" }, OpenAiJson.Default.JsonObject);
    }
}
