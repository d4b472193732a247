using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Cluster.Quotas;

/// <summary>A key's limits as they travel. Version 1; members are only ever added.</summary>
[GenerateSerializer, Immutable, Alias("finercut.limits")]
public sealed record LimitsNote
{
    [Id(0)] public long? RequestsPerMinute { get; init; }

    [Id(1)] public long? TokensPerMinute { get; init; }

    [Id(2)] public int? Concurrency { get; init; }

    [Id(3)] public long? TokensPerDay { get; init; }

    public static LimitsNote Of(KeyLimits limits) => new()
    {
        RequestsPerMinute = limits.RequestsPerMinute,
        TokensPerMinute = limits.TokensPerMinute,
        Concurrency = limits.Concurrency,
        TokensPerDay = limits.TokensPerDay,
    };

    public KeyLimits ToLimits() => new(RequestsPerMinute, TokensPerMinute, Concurrency, TokensPerDay);
}

public enum QuotaStep
{
    /// <summary>A place for one request; <see cref="QuotaEntry.Tokens"/> is its estimate.</summary>
    Reserve,

    /// <summary>A place that was leased turned out larger than the request that took it.</summary>
    Shrink,

    /// <summary>The real usage in the place of the estimate.</summary>
    Charge,

    /// <summary>The place is free.</summary>
    End,
}

/// <summary>One step of one reservation.</summary>
[GenerateSerializer, Immutable, Alias("finercut.quota-entry")]
public sealed record QuotaEntry
{
    [Id(0)] public required QuotaStep Step { get; init; }

    [Id(1)] public required string Id { get; init; }

    [Id(2)] public long Tokens { get; init; }

    /// <summary>Of <see cref="QuotaStep.End"/>: the duration says something about the next ones.</summary>
    [Id(3)] public bool Finished { get; init; }

    /// <summary>Of <see cref="QuotaStep.Charge"/>: the reservation as JSON, should it have been given up meanwhile.</summary>
    [Id(4)] public string? Reservation { get; init; }
}

/// <summary>What an edge tells and asks at once.</summary>
[GenerateSerializer, Immutable, Alias("finercut.quota-call")]
public sealed record QuotaCall
{
    /// <summary>The edge's process, as <see cref="FinerCut.Gateway.Access.Quotas.QuotaOwner.Id"/>.</summary>
    [Id(0)] public required string Owner { get; init; }

    [Id(1)] public required LimitsNote Limits { get; init; }

    /// <summary>Applied in their order.</summary>
    [Id(2)] public required QuotaEntry[] Entries { get; init; }

    /// <summary>Places wanted beyond the entries', for requests that are still to come.</summary>
    [Id(3)] public int SpareWanted { get; init; }

    /// <summary>Tokens of each such place.</summary>
    [Id(4)] public long SpareTokens { get; init; }
}

/// <summary>What came of a call.</summary>
[GenerateSerializer, Immutable, Alias("finercut.quota-answer")]
public sealed record QuotaAnswer
{
    /// <summary>The decision on each <see cref="QuotaStep.Reserve"/>, as JSON, in their order.</summary>
    [Id(0)] public required string[] Decisions { get; init; }

    /// <summary>Places leased for requests to come, each a reservation as JSON.</summary>
    [Id(1)] public required string[] Spares { get; init; }

    /// <summary>How long the leased places may be taken: until the second in which they count is over.</summary>
    [Id(2)] public required long SparesMs { get; init; }
}

/// <summary>An edge that holds leased places.</summary>
[Alias("finercut.quota-edge")]
public interface IQuotaEdge : IGrainObserver
{
    /// <summary>Takes back what was leased and not taken, and learns what was not told yet.</summary>
    [Alias("recall")]
    Task<QuotaEntry[]> RecallAsync(string keyId);
}

/// <summary>
/// The one owner of one key's counts in the whole cluster. Edges lease places in slices, good for the second in which they count, so that most
/// requests are admitted without a call; before anybody is refused, unused places are called back from all edges. So the counts decide as
/// one machine's would.
/// </summary>
[Alias("finercut.quota")]
public interface IQuotaGrain : IGrainWithStringKey
{
    /// <param name="edge">To be called back; null where no places are held.</param>
    /// <param name="call">May be empty: says that the edge lives.</param>
    [Alias("settle")]
    Task<QuotaAnswer> SettleAsync(QuotaCall call, IQuotaEdge? edge);

    /// <summary>The state as JSON, with what edges had not told yet.</summary>
    [Alias("read")]
    Task<string> ReadAsync();
}
