using System.Collections.Immutable;
using System.Text.Json;

namespace FinerCut.Worker.OpenAi;

/// <summary>One prompt of a text completion: text, or token ids as they are.</summary>
public readonly record struct TextPrompt(string? Text, ImmutableArray<int> Tokens);

/// <summary>A body of /v1/completions, checked.</summary>
/// <param name="Echo">Put the prompt before each answer.</param>
public sealed record TextRequest(AnswerFields Answer, ImmutableArray<TextPrompt> Prompts, bool Echo)
{
    private const int MostPrompts = 128;

    /// <exception cref="ApiException">400 with every fault.</exception>
    public static TextRequest Read(JsonElement root, RequestLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        var body = new FieldReader(root);
        var prompts = ReadPrompts(body, limits.VocabularySize);
        var echo = body.Flag("echo") ?? false;
        body.Refuse("suffix", "an empty string", value => value.ValueKind == JsonValueKind.String && value.ValueEquals(""));
        var answer = AnswerFields.Read(body, limits, isChat: false);
        if (echo && answer.TopLogprobs is not null) body.Fault("logprobs", "is not supported together with \"echo\".", "unsupported_parameter");
        if (prompts.Length * answer.Choices > limits.MostChoices)
            body.Fault("prompt", $"and \"n\" ask for {prompts.Length * answer.Choices} answers; at most {limits.MostChoices} are given.", "invalid_value");
        body.Close();
        body.ThrowIfFaulty();
        return new TextRequest(answer, prompts, echo);
    }

    private static ImmutableArray<TextPrompt> ReadPrompts(FieldReader body, int vocabularySize)
    {
        const string name = "prompt";
        if (body.Any(name) is not { } prompt)
        {
            if (!body.HasFaults) body.Fault(name, "is missing: a string, an array of strings, or token ids.", "missing_required_parameter");
            return [];
        }

        if (prompt.ValueKind == JsonValueKind.String) return body.Text(name) is { } text ? [new TextPrompt(text, [])] : [];
        if (prompt.ValueKind != JsonValueKind.Array || prompt.GetArrayLength() == 0)
        {
            body.Fault(name, "must be a string, an array of strings, or token ids, with at least one element.", "invalid_type");
            return [];
        }

        if (prompt[0].ValueKind == JsonValueKind.Number) return ReadTokens(body, name, prompt, vocabularySize) is { } tokens ? [new TextPrompt(null, tokens)] : [];
        if (prompt.GetArrayLength() > MostPrompts)
        {
            body.Fault(name, $"takes at most {MostPrompts} prompts, not {prompt.GetArrayLength()}.", "invalid_value");
            return [];
        }

        var prompts = ImmutableArray.CreateBuilder<TextPrompt>();
        for (var i = 0; i < prompt.GetArrayLength(); i++)
        {
            var path = $"{name}[{i}]";
            if (prompt[i].ValueKind == JsonValueKind.String) prompts.Add(new TextPrompt(prompt[i].GetString(), []));
            else if (ReadTokens(body, path, prompt[i], vocabularySize) is { } ids) prompts.Add(new TextPrompt(null, ids));
        }

        return prompts.ToImmutable();
    }

    private static ImmutableArray<int>? ReadTokens(FieldReader body, string path, JsonElement value, int vocabularySize)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0)
        {
            body.Fault(path, "must be a string or an array of token ids with at least one element.", "invalid_type");
            return null;
        }

        var tokens = ImmutableArray.CreateBuilder<int>(value.GetArrayLength());
        foreach (var item in value.EnumerateArray())
        {
            if (item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out var id) && id >= 0 && id < vocabularySize)
            {
                tokens.Add(id);
                continue;
            }

            body.Fault($"{path}[{tokens.Count}]", $"must be a token id from 0 to {vocabularySize - 1}.", "invalid_value");
            return null;
        }

        return tokens.MoveToImmutable();
    }
}
