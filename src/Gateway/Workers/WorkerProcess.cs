using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using FinerCut.Jobs;
using FinerCut.Runtime;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Workers;

/// <summary>
/// One running <c>serve</c> process. Its standard input stays open as long as this gateway lives: when the gateway dies by whatever signal,
/// the pipe closes and the worker ends itself, so none is left behind.
/// </summary>
public sealed class WorkerProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ILogger _logger;
    private readonly TaskCompletionSource<string> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _output;
    private readonly Task _errors;
    private volatile string? _lastError;

    private WorkerProcess(Process process, string key, ILogger logger)
    {
        _process = process;
        _logger = logger;
        Key = key;
        _output = ReadOutputAsync();
        _errors = ReadErrorsAsync();
        Exited = process.WaitForExitAsync();
    }

    public int Id => _process.Id;

    public string Key { get; }

    /// <summary>Completes when the process has ended; never faults.</summary>
    public Task Exited { get; }

    /// <summary>The base address from the worker's first line; faults when its standard output ends before that.</summary>
    public Task<string> Listening => _listening.Task;

    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    public static WorkerProcess Start(string program, string host, WorkerSpec spec, ILogger logger)
    {
        var key = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            CreateNoWindow = true,
            ArgumentList =
            {
                "serve", "--model", spec.ModelPath, "--alias", spec.ModelId, "--version-id", spec.VersionId,
                "--host", host, "--port", "0",
                "--ctx-size", $"{spec.ContextSize}", "--parallel", $"{spec.Parallel}", "--threads", $"{spec.Threads}", "--supervised",
            },
        };
        foreach (var argument in spec.Device.Arguments) start.ArgumentList.Add(argument);
        start.Environment["LLAMA_API_KEY"] = key;
        LargePages.Want(start.Environment);
        SocketLoop.KeepFrom(start);
        return new WorkerProcess(Process.Start(start)!, key, logger);
    }

    /// <summary>How the process ended, for people; valid once <see cref="Exited"/> has completed.</summary>
    public string Epitaph()
    {
        var code = _process.ExitCode;
        var how = code > 128 && !OperatingSystem.IsWindows() ? $"was killed by signal {code - 128}" : $"ended with exit code {code}";
        return _lastError is { } line ? $"The worker {how}; its last words: {line}" : $"The worker {how}.";
    }

    /// <summary>The worker says that its options or its model file are wrong: another start would end the same.</summary>
    public bool RefusedItsInput => _process.HasExited && _process.ExitCode == ExitCode.BadInput;

    /// <summary>Closes the worker's standard input, which asks it to end, and kills its whole tree past the time-out.</summary>
    public async Task StopAsync(TimeSpan timeout, TimeProvider time)
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // Already gone.
        }

        using var deadline = new CancellationTokenSource(timeout, time);
        await Task.WhenAny(Exited, Task.Delay(Timeout.InfiniteTimeSpan, time, deadline.Token));
        await KillAsync();
    }

    public async Task KillAsync()
    {
        try
        {
            if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        }
        catch (Exception exception) when (exception is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            _logger.LogDebug(exception, "The worker was gone before it could be killed.");
        }

        await Exited;
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        await Task.WhenAll(_output, _errors);
        _process.Dispose();
    }

    /// <summary>Never goes on on a socket's thread, nor do those who wait for its end: they start processes, write databases and delete files.</summary>
    private async Task ReadOutputAsync()
    {
        try
        {
            while (await _process.StandardOutput.ReadLineAsync().ConfigureAwait(ConfigureAwaitOptions.ForceYielding) is { } line)
            {
                if (!_listening.Task.IsCompleted && TryParse(line) is { } serve) _listening.TrySetResult(serve.Listening);
                else _logger.LogDebug("{Line}", line);
            }
        }
        catch (IOException exception)
        {
            _logger.LogDebug(exception, "The worker's standard output broke.");
        }

        // Nobody may be waiting any more: mark the fault as seen.
        if (_listening.TrySetException(new IOException("The worker ended before it listened."))) _ = _listening.Task.Exception;
    }

    /// <summary>As <see cref="ReadOutputAsync"/>; the log may wait for whoever reads it, too.</summary>
    private async Task ReadErrorsAsync()
    {
        try
        {
            while (await _process.StandardError.ReadLineAsync().ConfigureAwait(ConfigureAwaitOptions.ForceYielding) is { } line)
            {
                if (line.Length == 0) continue;
                _lastError = WorkerLog.Forward(_logger, line);
            }
        }
        catch (IOException exception)
        {
            _logger.LogDebug(exception, "The worker's standard error broke.");
        }
    }

    private static ServeLine? TryParse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, ContractJson.Default.ServeLine);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
