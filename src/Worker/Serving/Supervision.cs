using System.Runtime.InteropServices;

namespace FinerCut.Worker.Serving;

/// <summary>A worker under a supervisor: in a process group of its own, and gone as soon as the supervisor is.</summary>
internal static partial class Supervision
{
    /// <summary>
    /// Leaves the supervisor's process group, so that a terminal's signals reach the supervisor alone, and ends the process at once when standard
    /// input does: the supervisor holds its other end, whatever it dies of.
    /// </summary>
    public static void Begin()
    {
        if (!OperatingSystem.IsWindows()) _ = SetProcessGroup(0, 0);
        new Thread(WatchInput) { Name = "supervisor watch", IsBackground = true }.Start();
    }

    private static void WatchInput()
    {
        Span<byte> ignored = stackalloc byte[64];
        try
        {
            using var input = Console.OpenStandardInput();
            while (input.Read(ignored) > 0)
            {
            }
        }
        catch (IOException)
        {
            // As good as its end.
        }

        // Nobody is left to wait for an orderly end, and native threads may be busy: no handlers, no finalisers.
        if (OperatingSystem.IsWindows()) Environment.Exit(0);
        else Exit(0);
    }

    [LibraryImport("libc", EntryPoint = "setpgid")]
    private static partial int SetProcessGroup(int process, int group);

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void Exit(int code);
}
