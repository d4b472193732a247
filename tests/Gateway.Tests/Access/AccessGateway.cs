using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace FinerCut.Tests.Access;

/// <summary>The real gateway program with the fake worker, on a free port.</summary>
internal sealed partial class AccessGateway : IAsyncDisposable
{
    public const string AdminKey = "admin-key-of-the-access-tests";
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(180);

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _log = new();
    private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private AccessGateway(Process process)
    {
        _process = process;
        _process.OutputDataReceived += (_, line) => Read(line.Data);
        _process.ErrorDataReceived += (_, line) => Read(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public Uri Address => _address.Task.Result;

    public string Log => string.Join('\n', _log);

    /// <summary>Without any key.</summary>
    public HttpClient Client { get; private set; } = null!;

    public static async Task<AccessGateway> StartAsync(string stateFolder, params string[] settings)
    {
        var gateway = new AccessGateway(Launch(stateFolder, settings));
        try
        {
            await gateway.WaitUntilHealthyAsync();
            return gateway;
        }
        catch
        {
            await gateway.DisposeAsync();
            throw;
        }
    }

    private async Task WaitUntilHealthyAsync()
    {
        using var limit = new CancellationTokenSource(StartTimeout);
        var ended = _process.WaitForExitAsync(limit.Token);
        if (await Task.WhenAny(_address.Task, ended) == ended) throw new InvalidOperationException($"The gateway ended or said nothing: {Log}");
        Client = ClientOf(null);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (await timer.WaitForNextTickAsync(limit.Token))
        {
            using var health = await Client.GetAsync("/health", limit.Token);
            if (health.IsSuccessStatusCode) return;
        }
    }

    /// <summary>Starts the program and waits for its end.</summary>
    public static async Task<(int Code, string Output)> RunAsync(string stateFolder, params string[] arguments)
    {
        using var process = Launch(stateFolder, arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(StartTimeout);
        await process.WaitForExitAsync(limit.Token);
        return (process.ExitCode, await output + await errors);
    }

    public HttpClient ClientOf(string? key)
    {
        var client = new HttpClient { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(60) };
        if (key is not null) client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        return client;
    }

    /// <summary>A key with these members, as POST /admin/keys takes them.</summary>
    public async Task<(string Text, string Id)> CreateKeyAsync(string members)
    {
        using var admin = ClientOf(AdminKey);
        using var response = await admin.PostAsync("/admin/keys", Json(members));
        var body = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.True(response.StatusCode == HttpStatusCode.Created, body.ToString());
        return (body.GetProperty("key").GetString()!, body.GetProperty("id").GetString()!);
    }

    public async Task<JsonElement> UsageAsync(string id)
    {
        using var admin = ClientOf(AdminKey);
        return (await admin.GetFromJsonAsync<JsonElement>($"/admin/keys/{id}")).GetProperty("usage");
    }

    public static StringContent Json(string text) => new(text, System.Text.Encoding.UTF8, "application/json");

    public static StringContent Chat(string directives = "tokens=3", bool stream = false, int maxTokens = 10) =>
        Json($$"""{"model":"m","messages":[{"role":"user","content":"{{directives}}"}],"max_tokens":{{maxTokens}},"stream":{{(stream ? "true" : "false")}}}""");

    /// <summary>As kill -9: nothing is flushed, nobody is told.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        using var limit = new CancellationTokenSource(StartTimeout);
        await _process.WaitForExitAsync(limit.Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) await KillAsync();
        Client?.Dispose();
        _process.Dispose();
    }

    private static Process Launch(string stateFolder, string[] settings)
    {
        var bin = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Parent!.FullName;
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        var start = new ProcessStartInfo(Path.Combine(bin, "Gateway", configuration, "finercut"), settings)
        {
            WorkingDirectory = stateFolder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var model = Path.Combine(bin, "Gateway", configuration, "models", "SmolLM2-135M-Instruct.Q4_1.gguf");
        File.WriteAllText(Path.Combine(stateFolder, "appsettings.json"), JsonSerializer.Serialize(new
        {
            Listen = new { Address = "127.0.0.1", Port = 0 },
            State = new { Path = Path.Combine(stateFolder, "state") },
            Admin = new { Key = AdminKey },
            Worker = new { Path = Path.Combine(bin, "FakeWorker", configuration, "FinerCut.FakeWorker") },
            Models = new { m = new { Path = model, Parallel = 32 }, other = new { Path = model, Parallel = 32 } },
        }));
        return Process.Start(start)!;
    }

    private void Read(string? line)
    {
        if (line is null) return;
        _log.Enqueue(line);
        if (Listens().Match(line) is { Success: true } found) _address.TrySetResult(new Uri(found.Groups[1].Value.Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal)));
    }

    [GeneratedRegex(@"listens on (http://\S+)")]
    private static partial Regex Listens();
}
