using System.Data.Common;
using FinerCut.Gateway.Clusters;
using Npgsql;

namespace FinerCut.Cluster.Hosting;

/// <summary>The cluster's PostgreSQL database: where members, grains' states and reminders are kept.</summary>
internal static class ClusterDatabase
{
    /// <summary>What Orleans calls the provider.</summary>
    public const string Invariant = "Npgsql";

    /// <summary>Of the advisory lock under which the schema is made: any number that nobody else uses.</summary>
    private const long SchemaLock = 7_214_903_551;

    /// <summary>Makes what is not there yet; several machines may do so at once.</summary>
    /// <exception cref="ClusterException">The database does not answer.</exception>
    public static async Task EnsureSchemaAsync(string connectionString, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = new NpgsqlConnection(connectionString);
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
            await using (var turn = new NpgsqlCommand("select pg_advisory_xact_lock($1)", connection, transaction) { Parameters = { new() { Value = SchemaLock } } })
            {
                await turn.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            }

            // With the parameters of the stored statements in it, the text must go to the server as it is.
            await using var batch = new NpgsqlBatch(connection, transaction);
            foreach (var statement in Statements()) batch.BatchCommands.Add(new NpgsqlBatchCommand(statement));
            await batch.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is DbException or ArgumentException or TimeoutException)
        {
            // The connection string holds a password: it is not shown.
            throw new ClusterException($"The cluster's database (Cluster:Postgres) does not answer as expected: {exception.Message}", exception);
        }
    }

    /// <summary>The file's statements: they end with a semicolon at the end of a line, which no stored text has.</summary>
    private static string[] Statements()
    {
        using var stream = typeof(ClusterDatabase).Assembly.GetManifestResourceStream("schema.sql")!;
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split(";\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
    }
}
