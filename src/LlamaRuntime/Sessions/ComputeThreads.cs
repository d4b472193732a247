namespace FinerCut.Runtime.Native;

/// <summary>
/// A ggml thread pool of one context. Without one the CPU backend of npm's natives, which is built without OpenMP, starts and ends its threads for
/// every graph: for every token, and for every group that a graph observer asks for.
/// </summary>
internal sealed unsafe class ComputeThreads : IDisposable
{
    private const int CpuDevice = 0;        // GGML_BACKEND_DEVICE_TYPE_CPU
    private const int ThreadsOffset = 512;  // ggml_threadpool_params: bool cpumask[GGML_MAX_N_THREADS], then n_threads, prio, poll, ...
    private const int ParametersRoom = 1024;
    private readonly delegate* unmanaged[Cdecl]<nint, void> _free;
    private nint _pool;

    private ComputeThreads(nint pool, delegate* unmanaged[Cdecl]<nint, void> free)
    {
        _pool = pool;
        _free = free;
    }

    /// <summary>Null where one thread is enough, or where the backend has no pools: then it makes its threads as it likes.</summary>
    internal static ComputeThreads? Start(ContextHandle context)
    {
        var threads = Math.Max(Llama.Threads(context), Llama.BatchThreads(context));
        var device = Ggml.DeviceByType(CpuDevice);
        if (threads < 2 || device == 0) return null;
        var registry = Ggml.DeviceRegistry(device);
        var create = (delegate* unmanaged[Cdecl]<void*, nint>)Ggml.RegistryFunction(registry, "ggml_threadpool_new");
        var free = (delegate* unmanaged[Cdecl]<nint, void>)Ggml.RegistryFunction(registry, "ggml_threadpool_free");
        if (create == null || free == null) return null;

        var parameters = stackalloc byte[ParametersRoom];
        Ggml.ThreadPoolParamsInit(parameters, threads);
        if (*(int*)(parameters + ThreadsOffset) != threads) return null;
        var pool = create(parameters);
        if (pool == 0) return null;
        Llama.AttachThreadPool(context, pool, 0);
        return new ComputeThreads(pool, free);
    }

    /// <summary>Only after the context is freed: its graphs run here.</summary>
    public void Dispose()
    {
        if (_pool == 0) return;
        _free(_pool);
        _pool = 0;
    }
}
