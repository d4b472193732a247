using System.Collections.Immutable;

namespace FinerCut.Gateway.Access.Quotas;

/// <summary>What a change reads and locks.</summary>
/// <param name="Keys">Ids of keys; null for all that there are.</param>
/// <param name="Owners">Whether the list of live processes is read too.</param>
public sealed record QuotaReach(IReadOnlyCollection<string>? Keys, bool Owners);

/// <summary>The counted states within reach, by key id, and when each process last said that it lives (milliseconds since 1970 UTC). Immutable.</summary>
public sealed record QuotaBook(ImmutableDictionary<string, QuotaState> States, ImmutableDictionary<string, long> Owners)
{
    public static QuotaBook Empty { get; } = new(ImmutableDictionary<string, QuotaState>.Empty, ImmutableDictionary<string, long>.Empty);

    public QuotaState StateOf(string key) => States.GetValueOrDefault(key, QuotaState.Empty);
}

/// <summary>Where counts outlive the process. Thread-safe; shared by several gateways where the database is.</summary>
public interface IQuotaStore
{
    /// <summary>
    /// Reads what is within reach, applies <paramref name="change"/> and writes what differs, as one durable transaction that nothing comes
    /// between. <paramref name="change"/> must be pure: it may be run again. States and owners that it leaves out are deleted.
    /// </summary>
    Task<T> ChangeAsync<T>(QuotaReach reach, Func<QuotaBook, (QuotaBook Book, T Result)> change, CancellationToken cancellationToken);
}
