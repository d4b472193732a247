namespace FinerCut.Runtime.Native;

/// <summary>
/// A ggml thread pool of one context. Without one the CPU backend of npm's natives, which is built without OpenMP, starts and ends its threads for
/// every graph: for every token, and for every group that a graph observer asks for.
/// Threads that are as many as the processors are held to one each (ADR 15). They meet at spinning barriers, about a thousand a decode; where something
/// else wants a processor too, the kernel is content with two of them on the other one, and each barrier costs a time slice.
/// </summary>
internal sealed unsafe class ComputeThreads : IDisposable
{
    private const int CpuDevice = 0; // GGML_BACKEND_DEVICE_TYPE_CPU

    // ggml_threadpool_params: bool cpumask[GGML_MAX_N_THREADS], then n_threads, prio (int), poll (uint32), strict_cpu (bool), ...
    private const int ThreadsOffset = ContextOptions.MaxThreads;
    private const int StrictOffset = ThreadsOffset + 12;
    private const int ParametersRoom = 1024;
    private readonly delegate* unmanaged[Cdecl]<nint, void> _free;
    private readonly int[] _processors;
    private nint _pool;

    private ComputeThreads(nint pool, int[] processors, delegate* unmanaged[Cdecl]<nint, void> free)
    {
        _pool = pool;
        _processors = processors;
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
        var processors = Held(Llama.Threads(context), Llama.BatchThreads(context), Processors.Allowed());
        // ggml gives its own threads one after the other, and the last to the thread that decodes (ggml_threadpool_new_impl in ggml-cpu.c).
        foreach (var processor in processors) parameters[processor] = 1;
        if (processors.Length > 0) parameters[StrictOffset] = 1;
        var pool = create(parameters);
        // It has held this thread as the one that decodes.
        if (processors.Length > 0) Processors.HoldThisThread(processors);
        if (pool == 0) return null;
        Llama.AttachThreadPool(context, pool, 0);
        return new ComputeThreads(pool, processors, free);
    }

    /// <summary>The processors that threads are held to, one each: all that there are, or none where threads are fewer or more, or not always as many.</summary>
    internal static int[] Held(int threads, int batchThreads, int[] allowed) =>
        threads > 1 && threads == batchThreads && threads == allowed.Length && allowed[^1] < ContextOptions.MaxThreads ? allowed : [];

    /// <summary>Holds the calling thread to its processor while it computes, and only then: it may belong to others, and what it does between decodes can be done anywhere.</summary>
    internal Turn Enter()
    {
        if (_processors.Length == 0 || !Processors.HoldThisThread(_processors.AsSpan(^1))) return default;
        return new Turn(_processors);
    }

    /// <summary>Only after the context is freed: its graphs run here.</summary>
    public void Dispose()
    {
        if (_pool == 0) return;
        _free(_pool);
        _pool = 0;
    }

    internal readonly struct Turn(int[]? processors) : IDisposable
    {
        public void Dispose()
        {
            if (processors is not null) Processors.HoldThisThread(processors);
        }
    }
}
