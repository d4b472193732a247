using System.Diagnostics;
using System.Runtime.InteropServices;

namespace FinerCut.Gateway.Workers;

/// <summary>What .NET has no call for: asking a process to end.</summary>
internal static partial class ProcessSignals
{
    private const int SIGTERM = 15;

    /// <summary>SIGTERM; on Windows, which has none, nothing (the caller kills when the time is over).</summary>
    public static void Terminate(Process process)
    {
        if (OperatingSystem.IsWindows()) return;
        try
        {
            if (!process.HasExited) _ = Kill(process.Id, SIGTERM);
        }
        catch (InvalidOperationException)
        {
            // It was never started or is gone.
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
