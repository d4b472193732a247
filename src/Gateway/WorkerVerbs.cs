using System.ComponentModel;
using System.Diagnostics;
using FinerCut.Gateway.Configuration;
using FinerCut.Jobs;
using Microsoft.Extensions.Configuration;

namespace FinerCut.Gateway;

/// <summary>Verbs that are the Worker's: passed through with standard streams and exit code, so that users see one program.</summary>
public static class WorkerVerbs
{
    public static readonly IReadOnlySet<string> Names = new HashSet<string>(StringComparer.Ordinal) { "prune", "score", "eval", "bench", "gguf" };

    /// <summary>What the Worker's parser takes for its own name: that of its program without the ending.</summary>
    public const string RootName = "FinerCut";

    public static async Task<int> RunAsync(string[] arguments)
    {
        var contentRoot = Directory.GetCurrentDirectory();
        var settings = SettingsSources.Load(contentRoot, []);
        var path = GatewayConfigReader.WorkerPath(settings["Worker:Path"], contentRoot);
        try
        {
            // A terminal's Ctrl+C reaches the Worker as well (one process group); this process only waits for it to end.
            Console.CancelKeyPress += (_, pressed) => pressed.Cancel = true;
            using var process = Process.Start(new ProcessStartInfo(path, arguments) { UseShellExecute = false })!;
            await process.WaitForExitAsync();
            return process.ExitCode;
        }
        catch (Win32Exception exception)
        {
            await Console.Error.WriteLineAsync($"The Worker program {path} cannot be started: {exception.Message} (Worker:Path)");
            return ExitCode.BadInput;
        }
    }
}
