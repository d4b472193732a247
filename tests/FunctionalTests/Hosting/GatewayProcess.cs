using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FinerCut.FunctionalTests.Hosting;

/// <summary>A real gateway with real workers on a free port, with a state folder and an admin key of its own.</summary>
internal sealed class GatewayProcess : IAsyncDisposable
{
    public const string AdminKey = "functional-tests-admin-key";

    private GatewayProcess(ChildProcess process, Uri address)
    {
        Process = process;
        Http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(5) };
        Admin = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(5) };
        Admin.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
    }

    public ChildProcess Process { get; }

    public HttpClient Http { get; }

    public HttpClient Admin { get; }

    public Uri Address => Http.BaseAddress!;

    public static async Task<GatewayProcess> StartAsync(string stateFolder, CancellationToken cancellationToken, params string[] settings)
    {
        // Other tests keep the processors busy: a job that yields to them would never end.
        string[] arguments = ["--Listen:Port", "0", "--State:Path", stateFolder, "--Admin:Key", AdminKey, "--Jobs:Yield", "false", .. settings];
        var process = ChildProcess.Start(Checkout.Gateway, arguments);
        var line = await process.WaitForLineAsync(line => line.Contains("listens on ", StringComparison.Ordinal), cancellationToken);
        return new GatewayProcess(process, new Uri(line[(line.IndexOf("http", StringComparison.Ordinal))..].Trim()));
    }

    /// <summary>One short blocking chat; fails the test with the body when it is refused.</summary>
    public async Task<JsonNode> ChatAsync(string prompt, CancellationToken cancellationToken, int maxTokens = 24)
    {
        using var response = await Http.PostAsJsonAsync("/v1/chat/completions", ChatBody(prompt, maxTokens, stream: false), cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        Assert.True(response.IsSuccessStatusCode, $"{(int)response.StatusCode}: {text}\n{Process.Errors}");
        return JsonNode.Parse(text)!;
    }

    public static JsonObject ChatBody(string prompt, int maxTokens, bool stream) => new()
    {
        ["model"] = Checkout.ModelId,
        ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = prompt }),
        ["max_tokens"] = maxTokens,
        ["temperature"] = 0,
        ["stream"] = stream,
    };

    public async Task<JsonNode> AdminGetAsync(string path, CancellationToken cancellationToken)
    {
        using var response = await Admin.GetAsync(new Uri(path, UriKind.Relative), cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        Assert.True(response.IsSuccessStatusCode, $"GET {path}: {(int)response.StatusCode}: {text}");
        return JsonNode.Parse(text)!;
    }

    public async Task<(int Status, JsonNode Body)> AdminPostAsync(string path, JsonObject? body, CancellationToken cancellationToken)
    {
        using var response = await Admin.PostAsJsonAsync(path, body ?? [], cancellationToken);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellationToken))!);
    }

    /// <summary>Polls an admin view until it is as wanted.</summary>
    public async Task<JsonNode> WaitForAsync(string path, Func<JsonNode, bool> wanted, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(patience);
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        JsonNode? last = null;
        try
        {
            do
            {
                last = await AdminGetAsync(path, deadline.Token);
                if (wanted(last)) return last;
            }
            while (await ticks.WaitForNextTickAsync(deadline.Token));
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"{path} did not come to the awaited state; last: {last?.ToJsonString(new JsonSerializerOptions { WriteIndented = true })}\n{Process.Output}\n{Process.Errors}");
        }

        return last!;
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        Admin.Dispose();
        await Process.DisposeAsync();
    }
}
