using System.Collections.Immutable;
using System.Text.Json;

namespace FinerCut.Worker.OpenAi;

/// <summary>One prompt of a text completion: text, or token ids as they are.</summary>
public readonly record struct TextPrompt(string? Text, ImmutableArray<int> Tokens);

/// <summary>Texts as OpenAI's endpoints take them: a string, an array of strings, token ids, or several lists of those.</summary>
public static class TextPrompts
{
    private const int MostPrompts = 128;

    /// <param name="name">Of the field.</param>
    public static ImmutableArray<TextPrompt> Read(FieldReader body, string name, int vocabularySize)
    {
        ArgumentNullException.ThrowIfNull(body);
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
            if (prompt[i].ValueKind == JsonValueKind.String) prompts.Add(new TextPrompt(body.Decode(path, prompt[i]) ?? "", []));
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
