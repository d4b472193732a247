using System.Runtime.InteropServices;

namespace FinerCut.Pruning.Memory;

/// <summary>What a step of a job held, given back to the system before the next takes its own: <see cref="JobMemory"/> counts the largest of them, not their sum. Any thread.</summary>
internal static partial class FreedMemory
{
    /// <summary>
    /// Managed garbage, which the heap would let grow to the size of what lives; and what native code freed. glibc keeps that: once a large block was freed, all below 32 MB come from its heap
    /// (M_MMAP_THRESHOLD), and stay there. 151 MB were measured after a search of SmolLM2.
    /// </summary>
    public static void GiveBack()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive);
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = Trim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // musl has no such call.
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int Trim(nuint pad);
}
