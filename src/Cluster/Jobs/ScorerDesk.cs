using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using FinerCut.Cluster.Files;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Memory;
using FinerCut.Gguf;
using FinerCut.Jobs;
using Microsoft.Extensions.Logging;

namespace FinerCut.Cluster.Jobs;

/// <summary>
/// Starts scorers on this host for searches of other hosts' jobs: one a job, at the lowest priority, in memory that the ledger has for it. The one that ordered it ends it; should it
/// not, the scorer ends itself when nobody has asked it for two minutes. Thread-safe.
/// </summary>
internal sealed partial class ScorerDesk(ClusterTools tools, HostFiles files, ILogger logger) : IAsyncDisposable
{
    private const int IdleSeconds = 120;
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<string, Process> _running = new(StringComparer.Ordinal);

    public async Task<ScorerOutcome> StartAsync(ScorerOrder order, CancellationToken cancellationToken)
    {
        if (tools.Live.Find(order.ModelId) is not { IsExternal: false } model) return Refused(409, "model_gone", $"The model {order.ModelId} is not in the settings here.");
        await EndAsync(order.Job);
        string? path;
        try
        {
            path = await files.FindAsync(order.Sha256, model.Path, cancellationToken) ?? await files.FetchAsync(order.Sha256, order.Bytes, [order.From], cancellationToken);
            var entry = new MemoryEntry(Entry(order.Job), order.ModelId, Forecasts.OfJob(path, order.Tokens, order.LongestSequence, order.MemoryBytes));
            if (!tools.Memory.TryReserve(entry)) return Refused(503, "insufficient_memory", tools.Memory.DoesNotFit(entry).Message);
        }
        catch (Exception exception) when (exception is GgufException or IOException or UnauthorizedAccessException or HostFileException)
        {
            return Refused(409, "model_file_unusable", exception.Message);
        }

        var key = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        Process process;
        try
        {
            process = Process.Start(StartInfo(path, order, key))!;
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            tools.Memory.Release(Entry(order.Job));
            return Refused(502, "scorer_died", $"The worker cannot be started: {exception.Message}");
        }

        _running[order.Job] = process;
        _ = WatchAsync(order.Job, process);
        return await ListeningAsync(process, cancellationToken) is { } url ? new ScorerOutcome { Url = url, Key = key } : Refused(502, "scorer_died", "The scorer ended before it listened.");
    }

    public async Task EndAsync(string job)
    {
        if (!_running.TryRemove(job, out var process)) return;
        try
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync().WaitAsync(StartPatience, tools.Time);
        }
        catch (Exception exception) when (exception is InvalidOperationException or System.ComponentModel.Win32Exception or TimeoutException)
        {
            // Gone already, or about to be.
        }
    }

    public async ValueTask DisposeAsync() => await Task.WhenAll(_running.Keys.Select(EndAsync));

    private static string Entry(string job) => $"score/{job}";

    private ProcessStartInfo StartInfo(string path, ScorerOrder order, string key)
    {
        var worker = tools.Live.Current.Worker;
        string[] arguments = ["score", "--model", path, "--sha256", order.Sha256, "--host", worker.Host, "--port", "0", "--threads", $"{tools.Live.Jobs.Threads}", "--n-gpu-layers", $"{order.GpuLayers}", "--idle-seconds", $"{IdleSeconds}", "--supervised"];
        if (tools.Live.Jobs.Yield) arguments = [.. arguments, "--yield"];
        return new ProcessStartInfo(worker.Path, arguments)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false, CreateNoWindow = true, Environment = { ["LLAMA_API_KEY"] = key },
        };
    }

    private async Task<string?> ListeningAsync(Process process, CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(StartPatience, tools.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            return await process.StandardOutput.ReadLineAsync(either.Token) is { } line ? JsonSerializer.Deserialize(line, ContractJson.Default.ServeLine)?.Listening : null;
        }
        catch (Exception exception) when (exception is JsonException or OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            return null;
        }
    }

    private async Task WatchAsync(string job, Process process)
    {
        while (await process.StandardError.ReadLineAsync() is { } line) LogLine(logger, job, line);
        await process.WaitForExitAsync();
        _running.TryRemove(new(job, process));
        tools.Memory.Release(Entry(job));
        process.Dispose();
    }

    private static ScorerOutcome Refused(int status, string code, string message) => new() { Problem = new Refusal { Status = status, Code = code, Message = message } };

    [LoggerMessage(Level = LogLevel.Information, Message = "The scorer for {Job}: {Line}")]
    private static partial void LogLine(ILogger logger, string job, string line);
}
