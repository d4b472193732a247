using System.Collections.Immutable;
using System.Text.Json;

namespace FinerCut.Worker.OpenAi;

/// <summary>A body of /v1/completions, checked.</summary>
/// <param name="Echo">Put the prompt before each answer.</param>
public sealed record TextRequest(AnswerFields Answer, ImmutableArray<TextPrompt> Prompts, bool Echo)
{
    /// <exception cref="ApiException">400 with every fault.</exception>
    public static TextRequest Read(JsonElement root, RequestLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        var body = new FieldReader(root);
        var prompts = TextPrompts.Read(body, "prompt", limits.VocabularySize);
        var echo = body.Flag("echo") ?? false;
        body.Refuse("suffix", "an empty string", value => value.ValueKind == JsonValueKind.String && value.ValueEquals(""));
        body.Refuse("post_sampling_probs", "false; /completion has them", AnswerFields.IsFalse);
        var answer = AnswerFields.Read(body, limits, isChat: false);
        if (echo && answer.TopLogprobs is not null) body.Fault("logprobs", "is not supported together with \"echo\".", "unsupported_parameter");
        if (prompts.Length * answer.Choices > limits.MostChoices)
            body.Fault("prompt", $"and \"n\" ask for {prompts.Length * answer.Choices} answers; at most {limits.MostChoices} are given.", "invalid_value");
        body.Close();
        body.ThrowIfFaulty();
        return new TextRequest(answer, prompts, echo);
    }
}
