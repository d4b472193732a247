using System.Data.Common;

namespace FinerCut.Gateway.Access.Storage;

/// <summary>The tables, on any database. A file or server of a later version is refused rather than misread.</summary>
internal static class AccessSchema
{
    public const long Version = 1;

    private const string Tables = """
        create table if not exists access_schema (version bigint not null);
        create table if not exists access_keys (id text primary key, document text not null);
        create table if not exists quota_states (key_id text primary key, document text not null);
        create table if not exists quota_owners (owner text primary key, seen_ms bigint not null);
        """;

    /// <exception cref="InvalidDataException">The database is of a later version.</exception>
    public static Task EnsureAsync(IAccessDatabase database, string before, CancellationToken cancellationToken) =>
        database.TransactAsync(async (transaction, token) =>
        {
            await transaction.RunAsync(before + Tables, token).ConfigureAwait(false);
            var found = await transaction.ReadAsync("select version from access_schema", row => row.GetInt64(0), token).ConfigureAwait(false);
            if (found is []) await transaction.RunAsync("insert into access_schema (version) values (@p0)", token, Version).ConfigureAwait(false);
            else if (found[0] > Version) throw new InvalidDataException($"The access database is of version {found[0]}; this gateway knows {Version}. Use a newer gateway.");
            return 0;
        }, cancellationToken);
}

/// <summary>Statements with parameters @p0, @p1 ...</summary>
internal static class Statements
{
    public static async Task<int> RunAsync(this DbTransaction transaction, string text, CancellationToken cancellationToken, params object[] values)
    {
        await using var command = Command(transaction, text, values);
        return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    public static async Task<List<T>> ReadAsync<T>(
        this DbTransaction transaction, string text, Func<DbDataReader, T> read, CancellationToken cancellationToken, params object[] values)
    {
        await using var command = Command(transaction, text, values);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false)) rows.Add(read(reader));
        return rows;
    }

    private static DbCommand Command(DbTransaction transaction, string text, object[] values)
    {
        var command = transaction.Connection!.CreateCommand();
        command.Transaction = transaction;
#pragma warning disable CA2100 // Texts are constants of this folder with numbered parameters.
        command.CommandText = text;
#pragma warning restore CA2100
        for (var i = 0; i < values.Length; i++)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = "@p" + i;
            parameter.Value = values[i];
            command.Parameters.Add(parameter);
        }

        return command;
    }
}
