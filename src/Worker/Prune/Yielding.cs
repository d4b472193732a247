using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace FinerCut.Worker.Prune;

/// <summary>
/// A process that runs only when nothing else wants the processors. On Linux every thread gets the policy SCHED_IDLE: it is preempted the moment an ordinary
/// thread wakes, where nice(1) alone still gives it turns, and a turn on one core holds up all threads of a server that wait at a barrier. Elsewhere the lowest priority.
/// </summary>
internal static partial class Yielding
{
    private const int IdlePolicy = 5;
    private const int Process = 0;
    private const int Lowest = 19;

    /// <summary>Threads that are started later inherit it from those that start them. Call it before any work is begun.</summary>
    /// <returns>Whether the policy is set; otherwise the process has the lowest ordinary priority at most.</returns>
    public static bool Begin()
    {
        if (OperatingSystem.IsWindows())
        {
            try
            {
                using var own = System.Diagnostics.Process.GetCurrentProcess();
                own.PriorityClass = ProcessPriorityClass.Idle;
                return true;
            }
            catch (Win32Exception)
            {
                return false;
            }
        }

        _ = SetPriority(Process, 0, Lowest);
        return OperatingSystem.IsLinux() && SetAll();
    }

    private static bool SetAll()
    {
        // A thread that is started meanwhile may have been started by one not set yet: until a round finds no new one.
        var set = new HashSet<int>();
        for (var before = -1; before != set.Count;)
        {
            before = set.Count;
            foreach (var folder in Directory.EnumerateDirectories("/proc/self/task"))
            {
                var thread = int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture);
                if (set.Contains(thread)) continue;
                var priority = 0;
                if (SetScheduler(thread, IdlePolicy, in priority) != 0 && Directory.Exists(folder)) return false;
                _ = SetPriority(Process, thread, Lowest);
                set.Add(thread);
            }
        }

        return true;
    }

    /// <summary>On Linux a thread's id stands for a process's: it sets that thread.</summary>
    [LibraryImport("libc", EntryPoint = "sched_setscheduler")]
    private static partial int SetScheduler(int thread, int policy, in int priority);

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, int who, int value);
}
