using System.Collections.Immutable;

namespace FinerCut.Calibration;

/// <summary>One conversation as tokens.</summary>
/// <param name="Id">Id of the recorded conversation: sets are kept apart by it.</param>
/// <param name="Tokens">Prompt and answer.</param>
/// <param name="AnswerStart">Index of the answer's first token; the length of <paramref name="Tokens"/> where there is no answer.</param>
public sealed record TokenSequence(string Id, ImmutableArray<int> Tokens, int AnswerStart);

/// <summary>Token sequences that a model is scored on: the calibration set steers the search, the held-out set judges its result. Immutable.</summary>
public sealed record CalibrationSet(string Name, ImmutableArray<TokenSequence> Sequences)
{
    public int TokenCount => Sequences.Sum(sequence => sequence.Tokens.Length);

    /// <summary>Whether no conversation is in both sets.</summary>
    public bool IsDisjointFrom(CalibrationSet other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return !Sequences.Select(sequence => sequence.Id).Intersect(other.Sequences.Select(sequence => sequence.Id)).Any();
    }
}

/// <summary>
/// One recorded request as it stands in a traffic file (JSON lines): the chat messages or plain prompt, and the answer that was given.
/// </summary>
public sealed record RecordedConversation
{
    public required string Id { get; init; }

    /// <summary>OpenAI chat messages as sent; null where <see cref="Prompt"/> is given.</summary>
    public System.Text.Json.JsonElement? Messages { get; set; }

    /// <summary>Text of a /v1/completions request.</summary>
    public string? Prompt { get; set; }

    public string Answer { get; set; } = "";

    public DateTimeOffset? At { get; set; }

    /// <summary>Where it was asked, such as chat: sets are mixed of all routes alike. Null = told by its shape.</summary>
    public string? Route { get; set; }
}
