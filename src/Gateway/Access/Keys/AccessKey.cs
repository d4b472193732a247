using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace FinerCut.Gateway.Access.Keys;

/// <summary>How urgent a key's requests are; each class weighs eight times the one below it in the fair queue, so none starves.</summary>
public enum PriorityClass
{
    /// <summary>Dropped first when the queue is full.</summary>
    Low,
    Normal,
    High,
}

/// <summary>One key as it is kept: everything but the key itself. Immutable.</summary>
public sealed record AccessKey
{
    /// <summary>16 hexadecimal digits, the part of the key by which it is found; not secret.</summary>
    public required string Id { get; init; }

    /// <summary>The owner's name for it; shown in lists, never used for decisions.</summary>
    public required string Name { get; init; }

    /// <summary>SHA-256 of the whole key, lower-case hex. The key is 256 random bits, so a slow hash would add nothing.</summary>
    public required string Hash { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Null: never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    public bool Disabled { get; init; }

    public required KeyScopes Scopes { get; init; }

    public KeyLimits Limits { get; init; } = KeyLimits.None;

    public PriorityClass Priority { get; init; } = PriorityClass.Normal;

    /// <summary>Share among keys of the same class, 1 to 1000.</summary>
    public int Weight { get; init; } = 1;

    /// <summary>The owner agrees that this key's traffic is recorded where the route records.</summary>
    public bool Recording { get; init; }

    public bool IsLive(DateTimeOffset now) => !Disabled && (ExpiresAt is null || now < ExpiresAt);
}

/// <param name="Grants">What kinds of endpoint.</param>
/// <param name="Models">Model ids or globs with * and ?; case is ignored, as it is in model ids.</param>
public sealed record KeyScopes(Grants Grants, ImmutableArray<string> Models)
{
    public bool Equals(KeyScopes? other) => other is not null && Grants == other.Grants && Models.SequenceEqual(other.Models);

    public override int GetHashCode() => HashCode.Combine(Grants, Models.Length);
}

/// <summary>Upper bounds; null leaves one open.</summary>
/// <param name="RequestsPerMinute">Begun within any 60 seconds.</param>
/// <param name="TokensPerMinute">Prompt and completion tokens of requests begun within any 60 seconds.</param>
/// <param name="Concurrency">Requests at the same time.</param>
/// <param name="TokensPerDay">Prompt and completion tokens of requests begun within a UTC day.</param>
public sealed record KeyLimits(long? RequestsPerMinute = null, long? TokensPerMinute = null, int? Concurrency = null, long? TokensPerDay = null)
{
    public static KeyLimits None { get; } = new();

    /// <summary>True when there is nothing to count.</summary>
    [JsonIgnore]
    public bool AreOpen => this == None;
}
