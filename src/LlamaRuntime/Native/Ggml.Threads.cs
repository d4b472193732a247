using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>ggml's thread pools: parameters from libggml-base, the pools themselves from the CPU backend that was loaded.</summary>
internal static unsafe partial class Ggml
{
    [LibraryImport(BaseLibrary, EntryPoint = "ggml_threadpool_params_init")]
    internal static partial void ThreadPoolParamsInit(void* parameters, int threads);

    [LibraryImport(Library, EntryPoint = "ggml_backend_dev_by_type")]
    internal static partial nint DeviceByType(int type);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_backend_dev_backend_reg")]
    internal static partial nint DeviceRegistry(nint device);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_backend_reg_get_proc_address", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint RegistryFunction(nint registry, string name);
}
