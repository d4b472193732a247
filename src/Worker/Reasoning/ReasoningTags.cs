using System.Collections.Immutable;

namespace FinerCut.Worker.Reasoning;

/// <summary>What a model puts around its reasoning.</summary>
public sealed record ReasoningTags(string Open, string Close)
{
    /// <summary>DeepSeek R1, Qwen 3, QwQ, SmolLM3, Granite and most others.</summary>
    public static ReasoningTags Think { get; } = new("<think>", "</think>");

    private static readonly ImmutableArray<ReasoningTags> s_known =
    [
        Think,
        new("<|START_THINKING|>", "<|END_THINKING|>"),
        new("[THINK]", "[/THINK]"),
        new("<seed:think>", "</seed:think>"),
        new("<thinking>", "</thinking>"),
    ];

    /// <summary>The tags that a chat template speaks of; null = the model does not reason in tags.</summary>
    public static ReasoningTags? Detect(string template)
    {
        ArgumentNullException.ThrowIfNull(template);
        foreach (var tags in s_known)
        {
            if (template.Contains(tags.Close, StringComparison.Ordinal)) return tags;
        }

        return null;
    }

    /// <summary>Whether a rendered prompt ends inside reasoning, so that the answer begins in the middle of it.</summary>
    public bool IsOpenAtEnd(ReadOnlySpan<char> prompt) => prompt.TrimEnd().EndsWith(Open, StringComparison.Ordinal);
}
