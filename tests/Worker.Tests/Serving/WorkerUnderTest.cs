using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Jobs;
using FinerCut.Runtime;
using FinerCut.TestModels;

namespace FinerCut.Tests.Serving;

/// <summary>A worker process as a user starts it.</summary>
internal sealed class WorkerUnderTest : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly StringBuilder _errors = new();

    private WorkerUnderTest(Process process)
    {
        _process = process;
        process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors) _errors.AppendLine(line.Data);
        };
        process.BeginErrorReadLine();
    }

    public static string RepositoryRoot { get; } = FindRoot();

    public static string RealModel { get; } = Path.Combine(RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf");

    public int ProcessId => _process.Id;

    public StreamWriter Input => _process.StandardInput;

    public string Errors
    {
        get
        {
            lock (_errors) return _errors.ToString();
        }
    }

    public HttpClient Http { get; private set; } = new();

    /// <summary>A tiny random model in a folder that lives as long as the test run.</summary>
    public static string Tiny(TinyModel model, string name)
    {
        var folder = Directory.CreateTempSubdirectory("finercut-worker-tests-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        return model.WriteTo(Path.Combine(folder, name));
    }

    /// <summary>Starts it without waiting for anything.</summary>
    public static WorkerUnderTest Launch(params string[] arguments)
    {
        var program = Path.Combine(AppContext.BaseDirectory.Replace("Worker.Tests", "Worker", StringComparison.Ordinal), "FinerCut.Worker");
        var start = new ProcessStartInfo(program) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        start.Environment.Remove("LLAMA_API_KEY");
        LargePages.Want(start.Environment);
        return new WorkerUnderTest(Process.Start(start)!);
    }

    /// <summary>Starts it and waits until it listens.</summary>
    public static async Task<WorkerUnderTest> ListenAsync(string model, params string[] arguments)
    {
        // One thread: others may be computing on this machine, and ggml's threads wait for each other by spinning.
        var worker = Launch(["serve", "--model", model, "--port", "0", "--threads", "1", .. arguments]);
        var line = await worker._process.StandardOutput.ReadLineAsync().WaitAsync(Patience)
            ?? throw new InvalidOperationException($"The worker ended before it listened: {worker.Errors}");
        var serve = JsonSerializer.Deserialize(line, ContractJson.Default.ServeLine)!;
        worker.Http = new HttpClient { BaseAddress = new Uri(serve.Listening), Timeout = Patience };
        return worker;
    }

    /// <summary>Starts it and waits until it is ready.</summary>
    public static async Task<WorkerUnderTest> ReadyAsync(string model, params string[] arguments)
    {
        var worker = await ListenAsync(model, arguments);
        await EventuallyAsync(async () => (await worker.Http.GetAsync("/health")).IsSuccessStatusCode);
        return worker;
    }

    public async Task<int> ExitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    public bool HasExited => _process.HasExited;

    public void Signal(string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", ProcessId.ToString()]);
        kill.WaitForExit();
    }

    public async Task<(HttpResponseMessage Response, JsonNode Body)> PostAsync(string path, object body)
    {
        var response = await Http.PostAsync(path, Content(body));
        return (response, JsonNode.Parse(await response.Content.ReadAsStringAsync())!);
    }

    /// <summary>The answer's text; fails where the status is not 200.</summary>
    public async Task<JsonNode> AnswerAsync(string path, object body)
    {
        var (response, answer) = await PostAsync(path, body);
        Assert.True(response.IsSuccessStatusCode, answer.ToJsonString());
        return answer;
    }

    /// <summary>Data of the events, parsed; the last, [DONE], is checked and left out.</summary>
    public async Task<List<JsonNode>> EventsAsync(string path, object body, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = Content(body) };
        using var response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        Assert.True(response.IsSuccessStatusCode, await Error(response));
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        var events = new List<JsonNode>();
        var done = false;
        await foreach (var item in SseParser.Create(await response.Content.ReadAsStreamAsync(cancellationToken)).EnumerateAsync(cancellationToken))
        {
            Assert.False(done, "an event came after [DONE]");
            if (item.Data == "[DONE]") done = true;
            else events.Add(JsonNode.Parse(item.Data)!);
        }

        Assert.True(done || events[^1]["error"] is not null, "the stream ended without [DONE]");
        return events;
    }

    public async Task<double> MetricAsync(string name)
    {
        var text = await Http.GetStringAsync("/metrics");
        return double.Parse(text.Split('\n').Single(line => line.StartsWith(name + " ", StringComparison.Ordinal)).Split(' ')[^1]);
    }

    public static async Task EventuallyAsync(Func<Task<bool>> condition)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Patience, "the condition did not come true in time");
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    public static StringContent Content(object body)
    {
        var content = new StringContent(body as string ?? JsonSerializer.Serialize(body));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return content;
    }

    private static async Task<string> Error(HttpResponseMessage response) => response.IsSuccessStatusCode ? "" : await response.Content.ReadAsStringAsync();

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "FinerCut.Gateway.sln"))) folder = folder.Parent!;
        return folder.FullName;
    }
}
