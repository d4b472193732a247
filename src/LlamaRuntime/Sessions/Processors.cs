using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>The processors that this process may use, and holding the calling thread to some of them; on Linux only.</summary>
internal static partial class Processors
{
    private const int MaskBytes = 1024; // A cpu_set_t of 8,192 processors, which is more than Linux can have (CONFIG_NR_CPUS).

    /// <summary>Their numbers, ascending; those of the process and not of the calling thread, which may be held already. Empty where the system does not tell.</summary>
    internal static int[] Allowed()
    {
        if (!OperatingSystem.IsLinux()) return [];
        Span<byte> mask = stackalloc byte[MaskBytes];
        var allowed = new List<int>();
        if (GetAffinity(Environment.ProcessId, MaskBytes, mask) < 0) return [];
        for (var processor = 0; processor < MaskBytes * 8; processor++)
        {
            if ((mask[processor >> 3] & (1 << (processor & 7))) != 0) allowed.Add(processor);
        }

        return [.. allowed];
    }

    /// <summary>False where the system refuses it: then the thread runs where it did.</summary>
    internal static bool HoldThisThread(ReadOnlySpan<int> processors)
    {
        if (!OperatingSystem.IsLinux()) return false;
        Span<byte> mask = stackalloc byte[MaskBytes];
        foreach (var processor in processors) mask[processor >> 3] |= (byte)(1 << (processor & 7));
        return SetAffinity(0, MaskBytes, mask) == 0;
    }

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int GetAffinity(int thread, nuint bytes, Span<byte> mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nuint bytes, Span<byte> mask);
}
