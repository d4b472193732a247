using System.Diagnostics;
using System.Net.Sockets;
using FinerCut.Tests.Processes;

namespace FinerCut.Tests.Cluster.Processes;

/// <summary>A private Redis server on a free loopback port that ends with the test.</summary>
internal sealed class RedisServer : IAsyncDisposable
{
    private readonly Process _process;
    private readonly DirectoryInfo _folder;

    private RedisServer(Process process, DirectoryInfo folder, int port) => (_process, _folder, ConnectionString) = (process, folder, $"127.0.0.1:{port}");

    public string ConnectionString { get; }

    /// <summary>Null where there is none (apt-get install -y redis-server).</summary>
    public static string? Program => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).SelectMany(folder => new[] { Path.Combine(folder, "redis-server"), Path.Combine(folder, "valkey-server") }).FirstOrDefault(File.Exists);

    public static async Task<RedisServer> StartAsync(string program)
    {
        var (folder, port) = (Directory.CreateTempSubdirectory("finercut-redis-"), ThreeMachines.FreePort());
        var process = Process.Start(new ProcessStartInfo(program, ["--port", $"{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder.FullName]) { RedirectStandardOutput = true })!;
        process.BeginOutputReadLine();
        await Eventually.BeAsync(
            async () =>
            {
                try
                {
                    using var socket = new TcpClient();
                    await socket.ConnectAsync("127.0.0.1", port);
                    return true;
                }
                catch (SocketException)
                {
                    return false;
                }
            },
            seconds: 30);
        return new RedisServer(process, folder, port);
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _folder.Delete(recursive: true);
    }
}
