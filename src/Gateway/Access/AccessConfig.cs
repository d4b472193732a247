using FinerCut.Gateway.Access.Queueing;
using FinerCut.Gateway.Configuration;

namespace FinerCut.Gateway.Access;

/// <summary>Who may use the gateway, and how much. Immutable.</summary>
public sealed record AccessConfig
{
    /// <summary>Requests from this machine need no key. Off unless the settings say so.</summary>
    public required bool LoopbackWithoutKey { get; init; }

    /// <summary>One client key for all of /v1 from the settings, beside those of the store; null for none.</summary>
    public string? Key { get; init; }

    /// <summary>PostgreSQL connection string; null keeps keys and counts in a SQLite file of the state folder.</summary>
    public string? Postgres { get; init; }

    /// <summary>Completion tokens that are reserved where a request does not bound them.</summary>
    public required int DefaultMaxTokens { get; init; }

    /// <summary>How long another gateway's new, changed or deleted keys may take to be known here.</summary>
    public required TimeSpan Refresh { get; init; }

    /// <summary>Bounds of each model's queue; places 0: twice the model's parallel slots.</summary>
    public required QueueConfig Queue { get; init; }

    public static AccessConfig Default { get; } = new()
    {
        LoopbackWithoutKey = false,
        DefaultMaxTokens = 1024,
        Refresh = TimeSpan.FromSeconds(5),
        Queue = new QueueConfig(0, 1024, 256, TimeSpan.FromSeconds(300)),
    };

    internal static AccessConfig Read(SectionReader section)
    {
        var key = section.Text("Key");
        if (key is { Length: < 16 }) section.Error("Key", null, "expected at least 16 characters (the value is not shown)");
        var queue = section.Section("Queue");
        return new AccessConfig
        {
            LoopbackWithoutKey = section.Flag("LoopbackWithoutKey", Default.LoopbackWithoutKey),
            Key = key,
            Postgres = section.Text("Postgres"),
            DefaultMaxTokens = section.Integer("DefaultMaxTokens", Default.DefaultMaxTokens, 1, 1 << 24),
            Refresh = section.Seconds("RefreshSeconds", Default.Refresh.TotalSeconds, 0.1, 3600),
            Queue = new QueueConfig(
                queue.Integer("Places", Default.Queue.Places, 0, 100_000),
                queue.Integer("Length", Default.Queue.Length, 0, 1_000_000),
                queue.Integer("LengthPerKey", Default.Queue.LengthOfFlow, 0, 1_000_000),
                queue.Seconds("PatienceSeconds", Default.Queue.Patience.TotalSeconds, 0.1, 86400)),
        };
    }
}
