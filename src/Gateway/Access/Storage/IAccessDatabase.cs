using System.Data.Common;

namespace FinerCut.Gateway.Access.Storage;

/// <summary>What differs between the databases; the statements are the same on all. Thread-safe.</summary>
public interface IAccessDatabase : IAsyncDisposable
{
    /// <summary>Appended to a select whose rows stay locked until the transaction ends; empty where a transaction locks everything.</summary>
    string RowLock { get; }

    /// <summary>Runs <paramref name="work"/> in a transaction that is durable once the task ends. May run it again after a conflict.</summary>
    Task<T> TransactAsync<T>(Func<DbTransaction, CancellationToken, Task<T>> work, CancellationToken cancellationToken);
}
