using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Memory;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Storage;
using FinerCut.Gateway.Workers;
using FinerCut.Gguf;
using FinerCut.Jobs;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Pruning;

/// <summary>How a run of the Worker's <c>prune</c> ended: with a result, or by dying.</summary>
/// <param name="Epitaph">What is known of its end, for people.</param>
public sealed record PruneRun(PruneResult? Result, int ExitCode, string Epitaph);

/// <summary>Runs the Worker's <c>prune --job FILE</c> at low priority, once a call.</summary>
public sealed class PruneProcess(WorkerConfig config, MemoryLedger ledger, ILoggerFactory loggers, TimeProvider time)
{
    private static readonly string[] NicePaths = ["/usr/bin/nice", "/bin/nice"];

    /// <summary>Null where a job of this order would fit now; otherwise why not, with the figures.</summary>
    public ApiError? Misfit(string jobId, ModelConfig model, PruneOrder order)
    {
        var (entry, unusable) = Entry(jobId, model, order);
        return entry is null ? unusable : entry.Forecast.Total <= ledger.Free ? null : ledger.DoesNotFit(entry);
    }

    /// <summary>As <see cref="Misfit"/>, and reserves the memory until <see cref="Release"/>.</summary>
    public ApiError? Reserve(string jobId, ModelConfig model, PruneOrder order)
    {
        var (entry, unusable) = Entry(jobId, model, order);
        return entry is null ? unusable : ledger.TryReserve(entry) ? null : ledger.DoesNotFit(entry);
    }

    public void Release(string jobId) => ledger.Release(jobId);

    /// <summary>
    /// Returns when the process has ended. A cancelled token asks it to write its checkpoint and end, and kills it past the stop time-out.
    /// </summary>
    public async Task<PruneRun> RunAsync(string jobId, string folder, IProgress<PruneProgress> progress, CancellationToken cancellationToken)
    {
        var logger = loggers.CreateLogger("Worker." + jobId);
        using var process = Process.Start(StartInfo(Path.Combine(folder, "job.json")))!;
        StateFolder.WriteWhole(PidFile(folder), string.Create(CultureInfo.InvariantCulture, $"{process.Id} {process.StartTime.ToUniversalTime():O}"));
        PruneResult? result = null;
        string? lastError = null;
        var output = ForEachLineAsync(process.StandardOutput, line =>
        {
            if (TryParse(line) is not { } parsed) logger.LogInformation("{Line}", line);
            else if (parsed.Progress is { } step) progress.Report(step);
            else result = parsed.Result ?? result;
        });
        var errors = ForEachLineAsync(process.StandardError, line => lastError = WorkerLog.Forward(logger, line));
        try
        {
            await process.WaitForExitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            await StopAsync(process);
        }

        await Task.WhenAll(output, errors);
        File.Delete(PidFile(folder));
        var code = process.ExitCode;
        return new PruneRun(result, code, $"The Worker ended with exit code {code}{(lastError is null ? "." : "; its last words: " + lastError)}");
    }

    /// <summary>A Worker that outlived the gateway which started it would write into the same folder: it is ended first.</summary>
    public void EndOrphan(string folder)
    {
        if (!File.Exists(PidFile(folder))) return;
        try
        {
            var words = File.ReadAllText(PidFile(folder)).Split(' ');
            using var process = Process.GetProcessById(int.Parse(words[0], CultureInfo.InvariantCulture));
            var started = DateTime.Parse(words[1], CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind);
            // The number may belong to another process by now; the time of its start tells.
            if ((process.StartTime.ToUniversalTime() - started).Duration() < TimeSpan.FromSeconds(1))
            {
                process.Kill(entireProcessTree: true);
                process.WaitForExit(TimeSpan.FromSeconds(10));
            }
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException or FormatException or IndexOutOfRangeException or System.ComponentModel.Win32Exception)
        {
            loggers.CreateLogger<PruneProcess>().LogDebug(exception, "No Worker was left over.");
        }

        File.Delete(PidFile(folder));
    }

    /// <summary>The model's file was sound when the gateway started; it may be gone or another by now.</summary>
    private static (MemoryEntry? Entry, ApiError? Unusable) Entry(string jobId, ModelConfig model, PruneOrder order)
    {
        var plain = new PruneRequest { JobId = jobId, ModelPath = model.Path, OutputPath = "", WorkFolder = "", CalibrationPath = "", HeldOutPath = "", Budget = order.Budget, Search = order.Search };
        var tokens = (long)(order.MaxCalibrationTokens ?? plain.MaxCalibrationTokens) + (order.MaxHeldOutTokens ?? plain.MaxHeldOutTokens);
        try
        {
            return (new MemoryEntry(jobId, model.Id, Forecasts.OfJob(model.Path, tokens, order.MaxSequenceTokens ?? plain.MaxSequenceTokens, order.MemoryBytes)), null);
        }
        catch (Exception exception) when (exception is GgufException or IOException or UnauthorizedAccessException)
        {
            return (null, ApiError.Conflict($"The file of {model.Id} is not usable: {exception.Message}", "model_file_unusable"));
        }
    }

    private static string PidFile(string folder) => Path.Combine(folder, "worker.pid");

    private async Task StopAsync(Process process)
    {
        ProcessSignals.Terminate(process);
        // Its standard input stays open until then: the end of that would end it before its checkpoint is written.
        using var late = new CancellationTokenSource(config.StopTimeout, time);
        try
        {
            await process.WaitForExitAsync(late.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
        }
    }

    private ProcessStartInfo StartInfo(string jobFile)
    {
        string[] command = [config.Path, "prune", "--job", jobFile, "--supervised"];
        // The priority of a process is set before it starts its threads, since each thread keeps its own; nice(1) does that.
        var nice = NicePaths.FirstOrDefault(File.Exists);
        if (nice is not null) command = [nice, "-n", "10", .. command];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            CreateNoWindow = true,
        };
        SocketLoop.KeepFrom(start);
        return start;
    }

    /// <summary>Never goes on on a socket's thread: what follows a line, or the last one, is saved, and at the end a version is looked at and brought up.</summary>
    private static async Task ForEachLineAsync(StreamReader reader, Action<string> take)
    {
        while (await reader.ReadLineAsync().ConfigureAwait(ConfigureAwaitOptions.ForceYielding) is { } line)
        {
            if (line.Length > 0) take(line);
        }
    }

    private static PruneLine? TryParse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, ContractJson.Default.PruneLine);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
