using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Text;
using System.Threading.Channels;
using FinerCut.Gguf;

namespace FinerCut.Tests.Processes;

/// <summary>A real gateway process over fake workers, in a folder of its own that goes with it.</summary>
public sealed partial class GatewayProcess : IAsyncDisposable
{
    public const string Model = "tiny";
    public const string AdminKey = "test-admin-key-0123456789";

    private readonly List<string> _lines = [];
    private Channel<string> _output = null!;
    private Process _process = null!;

    private GatewayProcess(string folder) => Folder = folder;

    public string Folder { get; }

    public HttpClient Client { get; private set; } = null!;

    public HttpClient Admin { get; private set; } = null!;

    public int Port { get; private set; }

    /// <summary>Of the running process.</summary>
    public int Id => _process.Id;

    public string Log
    {
        get
        {
            lock (_lines) return string.Join('\n', _lines);
        }
    }

    private static string Configuration => new DirectoryInfo(AppContext.BaseDirectory).Name;

    private static string Artifacts => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../.."));

    public static string Program { get; } = Path.Combine(Artifacts, "Gateway", Configuration, "finercut");

    /// <summary>Variables of its environment, from the next start on.</summary>
    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>Another build of the gateway, from the next start on; null: this one.</summary>
    public string? Executable { get; set; }

    /// <summary>The network namespace that it runs in, from the next start on; null: the test's own.</summary>
    public string? Network { get; set; }

    /// <summary>What <see cref="Client"/> sends as its key, from the next start on; null: none, as loopback may.</summary>
    public string? ClientKey { get; set; }

    public static string Worker { get; } = Path.Combine(Artifacts, "FakeWorker", Configuration, "FinerCut.FakeWorker");

    /// <summary>Makes the folder with its settings; nothing runs yet.</summary>
    public static GatewayProcess Prepare(Action<JsonObject>? change = null)
    {
        var folder = Directory.CreateTempSubdirectory("finercut-gateway-").FullName;
        // The smallest sound model: an architecture, no tensors.
        GgufWriter.Write(new GgufEdit().Set(GgufKeys.Architecture, "fake"), Path.Combine(folder, "tiny.gguf"));
        var settings = (JsonObject)JsonNode.Parse($$"""
            {
              "Listen": { "Port": 0 },
              "Access": { "LoopbackWithoutKey": true },
              "Admin": { "Key": "{{AdminKey}}" },
              "Worker": { "Path": {{JsonSerializer.Serialize(Worker)}}, "Restart": { "FirstDelaySeconds": 0.01, "BreakerDeaths": 4, "BreakerPauseSeconds": 60 } },
              "Jobs": { "MinConversations": 4 },
              "Models": { "{{Model}}": { "Path": "tiny.gguf", "Recording": { "Enabled": true } } },
              "Logging": { "LogLevel": { "Default": "Information" } }
            }
            """)!;
        change?.Invoke(settings);
        File.WriteAllText(Path.Combine(folder, "appsettings.json"), settings.ToJsonString());
        return new GatewayProcess(folder);
    }

    public static async Task<GatewayProcess> StartAsync(Action<JsonObject>? change = null)
    {
        var gateway = Prepare(change);
        await gateway.RunAsync();
        return gateway;
    }

    /// <summary>Starts (again) and waits until the model answers, or only until the gateway listens.</summary>
    public async Task RunAsync(bool ready = true, params string[] arguments)
    {
        var program = Executable ?? Program;
        var start = Network is null ? Info(Folder, program, arguments) : Info(Folder, "ip", ["netns", "exec", Network, program, .. arguments]);
        foreach (var (name, value) in Environment) start.Environment[name] = value;
        _process = Process.Start(start)!;
        _output = Channel.CreateUnbounded<string>();
        _ = PumpAsync(_process, _output.Writer);
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        string? address = null;
        while (address is null && await _output.Reader.WaitToReadAsync(late.Token))
        {
            if (_output.Reader.TryRead(out var line) && Listening().Match(line) is { Success: true } match) address = match.Groups[1].Value;
        }

        // It has ended: what it said about why is worth more than a wait for what cannot come.
        Assert.True(address is not null, $"The gateway ended before it listened.\n{Log}");
        Port = new Uri(address).Port;
        Client = new HttpClient { BaseAddress = new Uri(address), Timeout = TimeSpan.FromSeconds(120) };
        if (ClientKey is not null) Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", ClientKey);
        Admin = new HttpClient { BaseAddress = new Uri(address), Timeout = TimeSpan.FromSeconds(120), DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", AdminKey) } };
        if (ready) await Eventually.BeAsync(async () => (await Client.GetAsync("/health")).StatusCode == HttpStatusCode.OK, () => Log);
    }

    /// <summary>Runs to the end: for starts that are refused.</summary>
    public static async Task<(int Code, string Output)> RunToEndAsync(string folder, params string[] arguments)
    {
        using var process = Process.Start(Info(folder, Program, arguments))!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(120));
        return (process.ExitCode, await output + await errors);
    }

    public void Script(string json)
    {
        // Whole or not at all: a worker that reads it half written answers 500.
        var script = Path.Combine(Folder, "script.json");
        File.WriteAllText(script + ".new", json);
        File.Move(script + ".new", script, overwrite: true);
    }

    /// <summary>What /admin answers; asked again, as its error says, while a machine of a cluster that has just died owned the answer.</summary>
    public async Task<JsonElement> GetAsync(string path)
    {
        JsonElement body = default;
        await Eventually.BeAsync(async () =>
        {
            (var status, body) = await SendAsync(HttpMethod.Get, path);
            if (status == HttpStatusCode.ServiceUnavailable && ChatStream.Code(body) == "owner_changing") return false;
            Assert.Equal(HttpStatusCode.OK, status);
            return true;
        });
        return body;
    }

    public async Task<(HttpStatusCode Status, JsonElement Body)> SendAsync(HttpMethod method, string path, string? json = null)
    {
        using var request = new HttpRequestMessage(method, path);
        if (json is not null) request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await Admin.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return (response.StatusCode, text.Length == 0 ? default : JsonElement.Parse(text));
    }

    public Task<(HttpStatusCode Status, JsonElement Body)> PromoteAsync(string version) =>
        SendAsync(HttpMethod.Post, $"/admin/models/{Model}/promote", $$"""{"version":"{{version}}"}""");

    public async Task<IReadOnlyList<JsonElement>> WorkersAsync() => [.. (await GetAsync("/admin/workers")).GetProperty("workers").EnumerateArray()];

    /// <summary>Records some conversations, orders a job and returns its id.</summary>
    public async Task<string> OrderJobAsync(string body = """{"budget":{"sublayers":3}}""")
    {
        for (var i = 0; i < 6; i++) Assert.Null((await ChatStream.RunAsync(Client, $"question {i} tokens=2")).Problem);
        await Eventually.BeAsync(async () => (await GetAsync($"/admin/models/{Model}/recording")).GetProperty("counts").GetProperty("distinct").GetInt32() >= 4, () => Log);
        var (status, job) = await SendAsync(HttpMethod.Post, $"/admin/models/{Model}/prune", body);
        Assert.Equal(HttpStatusCode.Accepted, status);
        return job.GetProperty("id").GetString()!;
    }

    public async Task<JsonElement> JobEndAsync(string id)
    {
        JsonElement job = default;
        await Eventually.BeAsync(async () => (job = await GetAsync($"/admin/jobs/{id}")).GetProperty("has_ended").GetBoolean(), () => Log);
        return job;
    }

    /// <summary>Orders a job that passes, and its version with it.</summary>
    public async Task PassJobAsync()
    {
        var job = await JobEndAsync(await OrderJobAsync());
        Assert.True(job.GetProperty("state").GetString() == "passed", $"{job.GetRawText()}\n{Log}");
    }

    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Asks it to end (SIGTERM) and returns its exit code.</summary>
    public async Task<int> StopAsync()
    {
        using (var kill = Process.Start("kill", $"-TERM {_process.Id}")) await kill.WaitForExitAsync();
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(120));
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            if (!_process.HasExited) _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
            _process.Dispose();
        }

        Client?.Dispose();
        Admin?.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private static ProcessStartInfo Info(string folder, string program, params string[] arguments) => new(program, arguments)
    {
        WorkingDirectory = folder,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        Environment = { ["FAKE_WORKER_SCRIPT"] = Path.Combine(folder, "script.json") },
    };

    private async Task PumpAsync(Process process, ChannelWriter<string> output)
    {
        await Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
        output.TryComplete();

        async Task ReadAsync(StreamReader reader)
        {
            while (await reader.ReadLineAsync() is { } line)
            {
                lock (_lines) _lines.Add(line);
                output.TryWrite(line);
            }
        }
    }

    [GeneratedRegex("listens on (http://[^ ]+)")]
    private static partial Regex Listening();
}
