using System.Globalization;

namespace FinerCut.Worker.Prune;

/// <summary>Holds this process' managed heap within a size: collections come before it would grow past it, and what does not fit all the same is an <see cref="OutOfMemoryException"/>.</summary>
internal static class HeapLimit
{
    /// <summary>May be called while the heap is in use; what is on it must fit.</summary>
    public static void Set(long bytes)
    {
        AppContext.SetData("GCHeapHardLimit", (ulong)bytes);
        try
        {
            GC.RefreshMemoryLimit();
        }
        catch (InvalidOperationException refused)
        {
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"warning: the heap cannot be held within {bytes} bytes ({refused.Message}); the job may take more memory than stated"));
        }
    }
}
