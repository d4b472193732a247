using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.Chats;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Responses;

/// <summary>A body of /v1/responses, checked. Stateless: nothing is stored, nothing earlier can be referred to.</summary>
/// <param name="Echo">Members of the body that the response repeats as they came; valid as long as the body.</param>
internal sealed record ResponsesRequest(AnswerFields Answer, ChatInput Input, string? Instructions, JsonElement Echo)
{
    /// <exception cref="ApiException">400 with every fault.</exception>
    public static ResponsesRequest Read(JsonElement root, RequestLimits limits, ChatTraits traits)
    {
        var body = new FieldReader(root);
        var messages = new JsonArray();
        var instructions = body.Text("instructions");
        if (instructions is not null) messages.Add(new JsonObject { ["role"] = "system", ["content"] = instructions });
        new ResponseInput(messages).Read(body);
        Tolerate(body);
        var tools = ResponseTools.Read(body);
        var format = ReadText(body);
        var variables = ReadReasoning(body, traits);
        var stream = body.Flag("stream") ?? false;
        var answer = new AnswerFields
        {
            Sampling = SamplingFields.Read(body, limits.VocabularySize, limits.DefaultSeed),
            Stream = stream,
            TimesTokens = AnswerFields.ReadTimes(body),
            ReportsProgress = AnswerFields.ReadProgress(body, stream),
            MaxTokens = (int?)body.Integer("max_output_tokens", 1, int.MaxValue),
            CachePrompt = body.Flag("cache_prompt") ?? true,
        };
        OneForm.Require(body, tools, format, answer, "text.format");
        body.Close();
        var written = JsonSerializer.SerializeToElement(messages, OpenAiJson.Default.JsonArray);
        if (!body.HasFaults) ToolFields.CheckMessages(body, written);
        body.ThrowIfFaulty();
        return new ResponsesRequest(answer, new ChatInput(written, tools, format, Variables: variables), instructions, root);
    }

    private static AnswerFormat ReadText(FieldReader body)
    {
        if (body.Object("text") is not { } text) return AnswerFormat.Text;
        var format = AnswerFormat.ReadFlat(text, "format", "text.");
        text.Refuse("verbosity", "\"medium\"", value => value.ValueKind == JsonValueKind.String && value.ValueEquals("medium"));
        text.Close();
        return format;
    }

    /// <summary>What the template knows of: an effort, or reasoning at all.</summary>
    private static JsonElement? ReadReasoning(FieldReader body, ChatTraits traits)
    {
        if (body.Object("reasoning") is not { } reasoning) return null;
        var effort = reasoning.Word("effort", "none", "minimal", "low", "medium", "high", "xhigh");
        reasoning.Accept("summary", "generate_summary");
        reasoning.Close();
        if (effort is null) return null;
        var variables = new JsonObject();
        if (traits.Switches.Contains(ChatTraits.EffortSwitch)) variables[ChatTraits.EffortSwitch] = effort;
        if (traits.Switches.Contains(ChatTraits.ThinkingSwitch)) variables[ChatTraits.ThinkingSwitch] = effort != "none";
        if (variables.Count == 0) body.Fault("reasoning.effort", "cannot be chosen: this model's template knows no such switch.", "unsupported_parameter");
        return JsonSerializer.SerializeToElement(variables, OpenAiJson.Default.JsonObject);
    }

    private static void Tolerate(FieldReader body)
    {
        body.Accept("model", "metadata", "user", "store", "service_tier", "include", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "stream_options");
        body.Refuse("truncation", "\"disabled\"", value => value.ValueKind == JsonValueKind.String && value.ValueEquals("disabled"));
        body.Refuse("background", "false", AnswerFields.IsFalse);
    }
}
