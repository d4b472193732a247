using System.Collections.Immutable;
using FinerCut.Runtime;

namespace FinerCut.Worker.Batching;

/// <summary>One answer to be generated: everything the batch loop has to know. Immutable.</summary>
public sealed record GenerationRequest
{
    /// <summary>At least one token, fewer than the context holds.</summary>
    public required ImmutableArray<int> Prompt { get; init; }

    /// <summary>Most tokens to generate; null = as far as the context goes.</summary>
    public int? MaxTokens { get; init; }

    public required SamplerOptions Sampling { get; init; }

    /// <summary>Stop strings as UTF-8.</summary>
    public ImmutableArray<byte[]> Stops { get; init; } = [];

    /// <summary>Go on where the model would end.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Alternatives to report with each token; null = no log-probabilities at all.</summary>
    public int? TopLogprobs { get; init; }

    /// <summary>Report the probabilities that the token was drawn by, after all filters, instead of the model's own.</summary>
    public bool AfterSampling { get; init; }

    /// <summary>Hand figures out with every token, not at the end alone.</summary>
    public bool TimesTokens { get; init; }

    /// <summary>Tell after each step how far the prompt is.</summary>
    public bool ReportsProgress { get; init; }

    /// <summary>The sequence to be computed in, where it is free; -1 = any.</summary>
    public int Sequence { get; init; } = -1;

    /// <summary>Control tokens that are part of the text; others are not.</summary>
    public ImmutableArray<int> Shown { get; init; } = [];

    /// <summary>Strength of each of the context's adapters; default = what the context is set to.</summary>
    public ImmutableArray<float> Adapters { get; init; }

    /// <summary>Tokens at the beginning that stay where the context is shifted; negative = the whole prompt.</summary>
    public int Keep { get; init; }

    /// <summary>How much sooner than others its prompt is taken: one of twice the weight counts as half as long, and ages twice as fast.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Reuse what other sequences have computed of the prompt.</summary>
    public bool CachePrompt { get; init; } = true;
}

public enum FinishKind { Stop, Length, Cancelled, Failed }

/// <summary>Why and with what figures a generation ended.</summary>
/// <param name="Failure">Set where <paramref name="Kind"/> is <see cref="FinishKind.Failed"/>.</param>
/// <param name="StopIndex">Index of the stop string that ended it, -1 where none did.</param>
public sealed record GenerationEnd(FinishKind Kind, GenerationFigures Figures, GenerationFailure? Failure = null, int StopIndex = -1);

/// <param name="CachedTokens">Prompt tokens that were not computed again.</param>
/// <param name="CompletionTokens">Sampled tokens, the one that ended the answer included.</param>
/// <param name="QueueTime">From arrival to a sequence of its own.</param>
/// <param name="PromptTime">From there to the first token.</param>
/// <param name="DecodeTime">From the first token to the last.</param>
public sealed record GenerationFigures(
    int PromptTokens, int CachedTokens, int CompletionTokens, TimeSpan QueueTime, TimeSpan PromptTime, TimeSpan DecodeTime)
{
    /// <summary>Tokens that were guessed, and those of them that were right.</summary>
    public int Guessed { get; init; }

    public int GuessedRight { get; init; }

    /// <summary>Tokens that were forgotten because the context was full.</summary>
    public int Shifted { get; init; }

    /// <summary>The sequence that it was computed in; -1 = none.</summary>
    public int Sequence { get; init; } = -1;
}

/// <summary>How far a prompt is.</summary>
/// <param name="Cached">Tokens that were not computed again.</param>
/// <param name="Processed">Tokens that are there, those included.</param>
/// <param name="Time">Since it was started.</param>
public readonly record struct PromptProgress(int Total, int Cached, int Processed, TimeSpan Time);

/// <summary>Stable code and message of a generation that could not be finished.</summary>
/// <param name="IsRequestFault">The request asked for something that cannot be done; otherwise the server failed.</param>
public sealed record GenerationFailure(string Code, string Message, bool IsRequestFault);

/// <summary>A token with its log-probability under the model's own distribution (after the filters where that was asked for), and the most likely alternatives.</summary>
public readonly record struct TokenLogprob(int Token, float Logprob, ImmutableArray<TokenAlternative> Top);

public readonly record struct TokenAlternative(int Token, float Logprob);
