using System.Data;
using System.Data.Common;
using Npgsql;

namespace FinerCut.Gateway.Access.Storage;

/// <summary>A PostgreSQL server that several gateways may share; rows are locked, so they count together.</summary>
public sealed class PostgresAccessDatabase : IAccessDatabase
{
    private const int Attempts = 5;
    private readonly NpgsqlDataSource _source;

    private PostgresAccessDatabase(NpgsqlDataSource source) => _source = source;

    public string RowLock => " for update";

    public static async Task<PostgresAccessDatabase> OpenAsync(string connectionString, CancellationToken cancellationToken)
    {
        var database = new PostgresAccessDatabase(NpgsqlDataSource.Create(connectionString));
        try
        {
            // Two gateways that start at once must not both make the tables.
            await AccessSchema.EnsureAsync(database, "select pg_advisory_xact_lock(4620418);", cancellationToken).ConfigureAwait(false);
            return database;
        }
        catch
        {
            await database.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async Task<T> TransactAsync<T>(Func<DbTransaction, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var connection = await _source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
                await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken).ConfigureAwait(false);
                var result = await work(transaction, cancellationToken).ConfigureAwait(false);
                await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
                return result;
            }
            catch (PostgresException conflict) when (attempt < Attempts
                && conflict.SqlState is PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected)
            {
                // The server rolled it back: nothing of it happened, so it may run again. A lost connection is not such a case.
            }
        }
    }

    public ValueTask DisposeAsync() => _source.DisposeAsync();
}
