using System.Collections.Immutable;
using FinerCut.Runtime;
using FinerCut.Worker.Reasoning;
using FinerCut.Worker.Tools;

namespace FinerCut.Worker.Chats;

/// <summary>What a model's template says of how it calls tools and reasons. Immutable.</summary>
/// <param name="Reasoning">Tags around its reasoning; null = it has none.</param>
/// <param name="TakesSystem">Whether the template takes a system message.</param>
/// <param name="CallTokens">Control tokens that must be read as text where calls are looked for.</param>
/// <param name="ReasoningTokens">Control tokens that must be read as text where reasoning is looked for.</param>
/// <param name="Switches">Variables by which the template can be told to reason or not; those it speaks of.</param>
internal sealed record ChatTraits(
    ToolFamily Family, ReasoningTags? Reasoning, bool TakesSystem, ImmutableArray<int> CallTokens, ImmutableArray<int> ReasoningTokens, ImmutableArray<string> Switches)
{
    /// <summary>The variable that Qwen 3, Granite, SmolLM3 and others ask for.</summary>
    public const string ThinkingSwitch = "enable_thinking";

    /// <summary>How much to think, of templates that know it.</summary>
    public const string EffortSwitch = "reasoning_effort";

    public static ChatTraits Of(string template, IVocabulary vocabulary)
    {
        var family = ToolFamilies.Detect(template);
        var tags = ReasoningTags.Detect(template);
        return new ChatTraits(
            family,
            tags,
            ToolPrompt.TakesSystem(template),
            Single(vocabulary, family.Markers()),
            tags is null ? [] : Single(vocabulary, [tags.Open, tags.Close]),
            [.. ((string[])[ThinkingSwitch, EffortSwitch]).Where(name => template.Contains(name, StringComparison.Ordinal))]);
    }

    /// <summary>Ids of the texts that are one token each.</summary>
    private static ImmutableArray<int> Single(IVocabulary vocabulary, ImmutableArray<string> texts) =>
        [.. texts.Select(text => vocabulary.Tokenize(text, addSpecial: false, parseSpecial: true)).Where(tokens => tokens.Length == 1).Select(tokens => tokens[0])];
}
