using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text.Json;

namespace FinerCut.GatewayBench;

/// <summary>The built gateway as a process of its own, and <see cref="BareProxy"/> as another, over one mock upstream; each can be asked.</summary>
internal sealed class GatewayUnderTest : IAsyncDisposable
{
    private const string AdminKey = "bench-admin-key-0123456789";
    private readonly Process _process;
    private readonly Process _proxy;
    private readonly string _folder;

    private GatewayUnderTest((Process Process, Uri Address) gateway, (Process Process, Uri Address) bare, Uri direct, string folder) =>
        (_process, _proxy, Gateway, Bare, Direct, _folder) = (gateway.Process, bare.Process, gateway.Address, bare.Address, direct, folder);

    public Uri Gateway { get; }

    /// <summary>YARP alone.</summary>
    public Uri Bare { get; }

    public Uri Direct { get; }

    /// <summary>Processor time until now of whoever listens there.</summary>
    public TimeSpan Spent(Uri address)
    {
        var process = address == Bare ? _proxy : _process;
        process.Refresh();
        return process.TotalProcessorTime;
    }

    /// <summary>Resident bytes of the gateway.</summary>
    public long Resident
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Sum over all labels of what /metrics has under a name.</summary>
    public async Task<long> MetricAsync(string name)
    {
        using var client = new HttpClient { BaseAddress = Gateway };
        return (await client.GetStringAsync("/metrics")).Split('\n').Where(line => line.StartsWith(name + "{", StringComparison.Ordinal) || line.StartsWith(name + " ", StringComparison.Ordinal))
            .Sum(line => (long)double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>This build's gateway.</summary>
    public static string Program
    {
        get
        {
            var bin = new DirectoryInfo(AppContext.BaseDirectory);
            return Path.Combine(bin.Parent!.Parent!.FullName, "Gateway", bin.Name, "finercut");
        }
    }

    /// <summary>A folder with the bench's settings, for one gateway at a time.</summary>
    public static async Task<string> FolderAsync()
    {
        var folder = Directory.CreateTempSubdirectory("finercut-bench-").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "appsettings.json"), JsonSerializer.Serialize(new
        {
            Listen = new { Port = 0 },
            Access = new { LoopbackWithoutKey = true },
            Admin = new { Key = AdminKey },
            Worker = new { Path = Environment.ProcessPath },
            Models = new { m = new { Path = "models/SmolLM2-135M-Instruct.Q4_1.gguf", Parallel = 64 } },
            Logging = new { LogLevel = new { Default = "Warning" } },
        }));
        return folder;
    }

    /// <summary>Returns when it listens.</summary>
    public static async Task<(Process Process, Uri Address)> LaunchAsync(string program, string folder)
    {
        var process = Process.Start(new ProcessStartInfo(program) { WorkingDirectory = folder, RedirectStandardOutput = true })!;
        string? line;
        do line = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The gateway ended.");
        while (!line.Contains("listens on ", StringComparison.Ordinal));
        _ = process.StandardOutput.ReadToEndAsync();
        return (process, new Uri(line[(line.IndexOf("http", StringComparison.Ordinal))..]));
    }

    public static async Task<GatewayUnderTest> StartAsync()
    {
        var folder = await FolderAsync();
        var (process, address) = await LaunchAsync(Program, folder);
        using var admin = new HttpClient { BaseAddress = address, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", AdminKey) } };
        while (!(await admin.GetAsync("/health")).IsSuccessStatusCode) await Task.Delay(50);
        using var workers = JsonDocument.Parse(await admin.GetStringAsync("/admin/workers"));
        var direct = new Uri(workers.RootElement.GetProperty("workers")[0].GetProperty("address").GetString()!);
        var proxy = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["proxy", direct.ToString()]) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
        var bare = new Uri(await proxy.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The proxy ended."));
        return new GatewayUnderTest((process, address), (proxy, bare), direct, folder);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in (Process[])[_process, _proxy])
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }
}
