using System.Diagnostics;

namespace FinerCut.Tests;

/// <summary>Runs the Worker program to its end.</summary>
internal static class WorkerProgram
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);

    public static string Path => System.IO.Path.Combine(AppContext.BaseDirectory.Replace("Worker.Tests", "Worker", StringComparison.Ordinal), "FinerCut.Worker");

    public static Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments) => RunForAsync(Patience, arguments);

    public static async Task<(int Code, string Output, string Errors)> RunForAsync(TimeSpan longest, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Path, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            using var patience = new CancellationTokenSource(longest);
            await process.WaitForExitAsync(patience.Token);
            return (process.ExitCode, await output, await errors);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }
}
