using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace FinerCut.Runtime.Native;

/// <summary>The library's start.</summary>
internal static unsafe partial class Llama
{
    /// <summary>Hands on the log, and registers the backends that lie in the folder. Returns the adapter's name and the library's release.</summary>
    internal static (string Adapter, string Version) Start(string folder, NativeLog log)
    {
        var handle = GCHandle.Alloc(log); // for the process: the library may log until it ends
        LogSet(&OnLog, GCHandle.ToIntPtr(handle));
        BackendInit();
        Ggml.BackendLoadAllFromPath(folder);
        // npm's CUDA natives need CUDA 13; those of fallback/ need CUDA 12 and know older GPUs.
        var fallback = Path.Combine(folder, GpuBackends.Fallback);
        if (!SupportsGpuOffload() && Directory.Exists(fallback)) Ggml.BackendLoadAllFromPath(fallback);
        return ("Native", Text(Version()));
    }

    internal static string SystemInfo() => Text(PrintSystemInfo());

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnLog(int level, byte* text, nint userData)
    {
        try
        {
            if (text is not null && GCHandle.FromIntPtr(userData).Target is NativeLog log) log.Append(level, Text(text));
        }
        catch (Exception)
        {
            // The frame above is native: a logger that fails must not end the process.
        }
    }

    private static string Text(byte* text) => text is null ? string.Empty : Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));
}
