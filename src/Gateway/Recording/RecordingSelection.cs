namespace FinerCut.Gateway.Recording;

/// <summary>Which of a model's conversations are meant; what is null does not narrow.</summary>
/// <param name="Key">Id of the key in whose name they were.</param>
/// <param name="From">At this time or later.</param>
/// <param name="Before">Earlier than this time.</param>
/// <param name="Conversation">Id, as exports and audits tell it.</param>
public sealed record RecordingSelection(string? Key = null, DateTimeOffset? From = null, DateTimeOffset? Before = null, string? Conversation = null)
{
    internal const string Where =
        "model = $model AND ($key IS NULL OR sender = $key) AND ($from IS NULL OR at >= $from) AND ($before IS NULL OR at < $before) AND ($conversation IS NULL OR substr(lower(hex(hash)), 1, 24) = $conversation)";

    internal (string, object?)[] Parameters(string modelId) =>
        [("$model", modelId), ("$key", Key), ("$from", From?.ToUnixTimeMilliseconds()), ("$before", Before?.ToUnixTimeMilliseconds()), ("$conversation", Conversation?.ToLowerInvariant())];
}

/// <summary>Who made use of recorded conversations.</summary>
/// <param name="What">job, export or purge.</param>
/// <param name="Subject">The job's id; null for the others.</param>
/// <param name="Conversations">Ids of those that were used.</param>
public sealed record RecordingUse(DateTimeOffset At, string What, string? Subject, IReadOnlyList<string> Conversations);
