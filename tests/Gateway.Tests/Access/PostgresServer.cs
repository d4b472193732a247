using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace FinerCut.Tests.Access;

/// <summary>A private PostgreSQL server on a free loopback port, in a temporary folder, that ends with this process at the latest.</summary>
public sealed class PostgresServer : IAsyncLifetime
{
    private const string Password = "only-for-tests";
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(180);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("finercut-postgres-");
    private Process? _server;
    private int _port;
    private int _databases;

    public async ValueTask InitializeAsync()
    {
        var bin = FindBinaries();
        var data = Path.Combine(_folder.FullName, "data");
        var passwordFile = Path.Combine(_folder.FullName, "password");
        await File.WriteAllTextAsync(passwordFile, Password);
        var prefix = Environment.IsPrivilegedProcess ? AsUser() : "";
        if (prefix.Length > 0) await ShellAsync($"chmod 755 {_folder.FullName} && chown -R {User} {_folder.FullName}");
        await ShellAsync($"{prefix} {bin}/initdb -D {data} -U finercut -A scram-sha-256 --pwfile={passwordFile} -E UTF8 --locale=C --no-sync");
        _port = FreePort();

        // The shell waits for its standard input to end, which it does when this process ends, however it does.
        var options = $"-D {data} -p {_port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=100";
        _server = Start($"{prefix} {bin}/postgres {options} >{_folder.FullName}/log 2>&1 & server=$!; read _; kill -INT $server; wait $server");
        await WaitAsync();
    }

    /// <summary>An empty database of its own for one test class.</summary>
    public async Task<string> NewDatabaseAsync()
    {
        var name = $"test{Interlocked.Increment(ref _databases)}";
        await using var connection = new NpgsqlConnection(ConnectionString("postgres"));
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = $"create database {name}";
        await command.ExecuteNonQueryAsync();
        return ConnectionString(name);
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            NpgsqlConnection.ClearAllPools();
            _server.StandardInput.Close();
            using var limit = new CancellationTokenSource(StartTimeout);
            await _server.WaitForExitAsync(limit.Token);
            _server.Dispose();
        }

        _folder.Delete(recursive: true);
    }

    private static string User => File.ReadLines("/etc/passwd").Any(line => line.StartsWith("postgres:", StringComparison.Ordinal)) ? "postgres" : "nobody";

    /// <summary>PostgreSQL refuses to run as root.</summary>
    private static string AsUser() => $"setpriv --reuid={User} --regid=$(id -g {User}) --clear-groups";

    private static string FindBinaries()
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Concat(Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql").OrderDescending().Select(version => version + "/bin") : [])
            .Concat(["/usr/local/pgsql/bin", "/opt/homebrew/bin"]);
        return folders.FirstOrDefault(folder => File.Exists(Path.Combine(folder, "initdb")) && File.Exists(Path.Combine(folder, "postgres")))
            ?? throw new InvalidOperationException(
                "These tests run a PostgreSQL server: neither PATH nor /usr/lib/postgresql/*/bin holds initdb and postgres. Install it: apt-get install -y postgresql");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static Process Start(string script) => Process.Start(new ProcessStartInfo("/bin/sh", ["-c", script])
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    private static async Task ShellAsync(string script)
    {
        using var process = Start(script);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{script}{Environment.NewLine}{await output}{errors}");
    }

    private string ConnectionString(string database) =>
        $"Host=127.0.0.1;Port={_port};Username=finercut;Password={Password};Database={database};Timeout=60;Command Timeout=120;Maximum Pool Size=10";

    private async Task WaitAsync()
    {
        using var limit = new CancellationTokenSource(StartTimeout);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (await timer.WaitForNextTickAsync(limit.Token))
        {
            if (_server!.HasExited) break;
            try
            {
                await using var connection = new NpgsqlConnection(ConnectionString("postgres") + ";Pooling=false");
                await connection.OpenAsync(limit.Token);
                return;
            }
            catch (NpgsqlException)
            {
                // Not up yet.
            }
        }

        throw new InvalidOperationException("PostgreSQL did not start: " + await File.ReadAllTextAsync(Path.Combine(_folder.FullName, "log")));
    }
}

[CollectionDefinition(Name)]
public sealed class PostgresCollection : ICollectionFixture<PostgresServer>
{
    public const string Name = "postgres";
}
