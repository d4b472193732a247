using System.Collections.Immutable;
using System.Text.Json;

namespace FinerCut.Worker.OpenAi;

/// <summary>One prompt of a text completion: text, or token ids as they are.</summary>
public readonly record struct TextPrompt(string? Text, ImmutableArray<int> Tokens)
{
    /// <summary>Texts and token ids in turn; null = it is one of both.</summary>
    public IReadOnlyList<TextPrompt>? Parts { get; init; }
}

/// <summary>
/// Texts as OpenAI's endpoints take them: a string, an array of strings, token ids, or several lists of those. As in llama-server, a list may hold texts and
/// token ids in turn; an outer one does where it has a token id.
/// </summary>
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

        if (prompt.EnumerateArray().Any(item => item.ValueKind == JsonValueKind.Number)) return ReadList(body, name, prompt, vocabularySize) is { } list ? [list] : [];
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
            else if (ReadList(body, path, prompt[i], vocabularySize) is { } list) prompts.Add(list);
        }

        return prompts.ToImmutable();
    }

    private static TextPrompt? ReadList(FieldReader body, string path, JsonElement value, int vocabularySize)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0)
        {
            body.Fault(path, "must be a string or an array of token ids with at least one element.", "invalid_type");
            return null;
        }

        var parts = ImmutableArray.CreateBuilder<TextPrompt>();
        var tokens = ImmutableArray.CreateBuilder<int>();
        var at = 0;
        foreach (var item in value.EnumerateArray())
        {
            var place = $"{path}[{at++}]";
            if (item.ValueKind == JsonValueKind.String)
            {
                CloseTokens();
                if (body.Decode(place, item) is not { } text) return null;
                parts.Add(new TextPrompt(text, []));
            }
            else if (item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out var id) && id >= 0 && id < vocabularySize)
            {
                tokens.Add(id);
            }
            else
            {
                body.Fault(place, $"must be a token id from 0 to {vocabularySize - 1}, or a text.", "invalid_value");
                return null;
            }
        }

        CloseTokens();
        return parts.Count == 1 ? parts[0] : new TextPrompt(null, []) { Parts = parts.ToArray() };

        void CloseTokens()
        {
            if (tokens.Count > 0) parts.Add(new TextPrompt(null, tokens.DrainToImmutable()));
        }
    }
}
