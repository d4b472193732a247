using System.Diagnostics;
using System.Text.Json;
using FinerCut.Jobs;
using FinerCut.Runtime;

namespace FinerCut.ServeBench;

/// <summary>A worker process as it is shipped, with the ceiling's sizes.</summary>
internal sealed class Served : ITarget, IAsyncDisposable
{
    private readonly Process _process;
    private readonly HttpTarget _target;

    private Served(Process process, HttpTarget target)
    {
        _process = process;
        _target = target;
    }

    public static async Task<Served> StartAsync(string model, Load load, int threads)
    {
        var program = Path.Combine(AppContext.BaseDirectory.Replace("ServeBench", "Worker", StringComparison.Ordinal), "FinerCut.Worker");
        var start = new ProcessStartInfo(program,
        [
            "serve", "--model", model, "--port", "0", "--supervised", "--threads", $"{threads}", "--ctx-size", $"{load.ContextLength}", "--parallel", $"{load.MostStreams}",
        ])
        { RedirectStandardInput = true, RedirectStandardOutput = true };
        LargePages.Want(start.Environment);
        var process = Process.Start(start)!;
        var line = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The worker ended at once.");
        var address = new Uri(JsonSerializer.Deserialize(line, ContractJson.Default.ServeLine)!.Listening);
        using var http = new HttpClient { BaseAddress = address };
        while (!(await http.GetAsync("/health")).IsSuccessStatusCode) await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        return new Served(process, new HttpTarget(address));
    }

    public HttpTarget Target => _target;

    public Task<Measure> RunAsync(Ask ask) => _target.RunAsync(ask);

    public async ValueTask DisposeAsync()
    {
        _target.Dispose();
        _process.StandardInput.Close();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
