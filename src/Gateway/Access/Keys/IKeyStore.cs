namespace FinerCut.Gateway.Access.Keys;

/// <summary>Where keys outlive the process. Thread-safe; shared by several gateways where the database is.</summary>
public interface IKeyStore
{
    /// <summary>All keys, dead ones too, in no order.</summary>
    Task<IReadOnlyList<AccessKey>> ReadAsync(CancellationToken cancellationToken);

    /// <summary>Adds the key, or replaces the one with its id.</summary>
    Task SaveAsync(AccessKey key, CancellationToken cancellationToken);

    /// <returns>False when there was none.</returns>
    Task<bool> DeleteAsync(string id, CancellationToken cancellationToken);
}
