using Microsoft.Data.Sqlite;

namespace FinerCut.Gateway.Storage;

/// <summary>
/// One SQLite database and the one connection to it, used by one thread at a time. Calls block for as long as the disk takes, so hot paths stay
/// away from it. A commit survives the death of this process at any instant.
/// </summary>
public sealed class SqliteFile : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly Lock _gate = new();

    private SqliteFile(SqliteConnection connection) => _connection = connection;

    /// <summary>Opens or makes the database; the schema must be written so that it may run again.</summary>
    public static SqliteFile Open(string path, string schema)
    {
        if (path != ":memory:" && !OperatingSystem.IsWindows() && !File.Exists(path))
        {
            // Made beforehand, so that neither it nor the journal that SQLite gives the same mode is ever readable by others.
            using var _ = new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }

        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString());
        connection.Open();
        var file = new SqliteFile(connection);
        file.Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA busy_timeout = 5000;");
        file.Execute(schema);
        return file;
    }

    public int Execute(string sql, params (string Name, object? Value)[] parameters)
    {
        lock (_gate)
        {
            using var command = Command(sql, parameters);
            return command.ExecuteNonQuery();
        }
    }

    public List<T> Query<T>(string sql, Func<SqliteDataReader, T> read, params (string Name, object? Value)[] parameters)
    {
        lock (_gate)
        {
            using var command = Command(sql, parameters);
            using var reader = command.ExecuteReader();
            var rows = new List<T>();
            while (reader.Read()) rows.Add(read(reader));
            return rows;
        }
    }

    public long Number(string sql, params (string Name, object? Value)[] parameters)
    {
        lock (_gate)
        {
            using var command = Command(sql, parameters);
            return command.ExecuteScalar() is long number ? number : 0;
        }
    }

    /// <summary>All of it or none. The work may call this file again (same thread).</summary>
    public void Transact(Action work)
    {
        lock (_gate)
        {
            using var transaction = _connection.BeginTransaction();
            _current = transaction;
            try
            {
                work();
                transaction.Commit();
            }
            finally
            {
                _current = null;
            }
        }
    }

    public void Dispose() => _connection.Dispose();

    private SqliteTransaction? _current;

    private SqliteCommand Command(string sql, (string Name, object? Value)[] parameters)
    {
        var command = _connection.CreateCommand();
#pragma warning disable CA2100 // The texts are constants of this program; values go in as parameters.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.Transaction = _current;
        foreach (var (name, value) in parameters) command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        return command;
    }
}
