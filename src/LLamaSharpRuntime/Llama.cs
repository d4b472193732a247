using System.Runtime.InteropServices;
using LLama.Native;

namespace FinerCut.Runtime.Native;

/// <summary>What the shared sources ask of a library, over LLamaSharp's handles and functions: start, models, contexts.</summary>
internal static unsafe partial class Llama
{
    /// <summary>LLamaSharp has loaded and started the library by now (<see cref="NativeLibraries"/>).</summary>
    internal static (string Adapter, string Version) Start(string folder, NativeLog log)
    {
        // Backends of the pinned packages are linked to libggml; those of a folder of one's own may be loadable ones.
        if (Ggml.DeviceCount() == 0) Ggml.BackendLoadAllFromPath(folder);
        return ("LLamaSharp", Ggml.Commit);
    }

    internal static string SystemInfo() => Marshal.PtrToStringUTF8(NativeApi.llama_print_system_info()) ?? string.Empty;

    internal static bool SupportsGpuOffload() => NativeApi.llama_supports_gpu_offload();

    internal static nuint MaxParallelSequences() => (nuint)NativeApi.llama_max_parallel_sequences();

    /// <summary>Null where the library refuses the file. <paramref name="onProgress"/> is called with 0 to 1, must not throw, and ends the loading with false.</summary>
    internal static ModelHandle? Load(ModelOptions options, Func<float, bool> onProgress)
    {
        var parameters = LLamaModelParams.Default();
        parameters.n_gpu_layers = options.GpuLayers;
        nint noDevice = 0; // A list that ends where it begins.
        if (options.GpuLayers == 0) parameters.devices = &noDevice;
        parameters.split_mode = (GPUSplitMode)options.SplitMode;
        parameters.main_gpu = options.MainGpu;
        parameters.load_mode = (options.UseMmap, options.UseMlock) switch
        {
            (true, true) => LLamaLoadMode.MemoryMapAndLock,
            (true, false) => LLamaLoadMode.MemoryMap,
            (false, true) => LLamaLoadMode.MemoryLock,
            _ => LLamaLoadMode.None,
        };
        parameters.use_extra_bufts = options.Repack;
        LlamaProgressCallback callback = (progress, _) => onProgress(progress);
        parameters.progress_callback = callback;
        try
        {
            return ModelHandle.LoadFromFile(options.Path, parameters);
        }
        catch (LLama.Exceptions.LoadWeightsFailedException)
        {
            return null; // the library's log says why
        }
        finally
        {
            GC.KeepAlive(callback);
        }
    }

    /// <summary>Null where the context cannot be made. The options are settled (<see cref="ContextOptions"/>).</summary>
    internal static ContextHandle? Open(ModelHandle model, SessionOptions options, DecodeWatch watch)
    {
        var parameters = LLamaContextParams.Default();
        parameters.n_ctx = (uint)options.ContextLength;
        parameters.n_batch = (uint)options.BatchSize;
        parameters.n_ubatch = (uint)options.MicroBatchSize;
        parameters.n_seq_max = (uint)options.MaxSequences;
        parameters.n_outputs_max = (uint)options.MaxOutputs;
        parameters.n_threads = options.Threads;
        parameters.n_threads_batch = options.BatchThreads;
        parameters.llama_pooling_type = (LLamaPoolingType)ContextOptions.PoolingType(options.Pooling);
        parameters.llama_flash_attn_type = (LLamaFlashAttentionType)ContextOptions.FlashAttentionType(options.FlashAttention);
        parameters.type_k = (GGMLType)ContextOptions.GgmlType(options.KeyType);
        parameters.type_v = (GGMLType)ContextOptions.GgmlType(options.ValueType);
        parameters.kv_unified = options.UnifiedKv;
        parameters.embeddings = options.Embeddings;
        parameters.no_perf = false;
        parameters.op_offload = options.OpOffload;
        (parameters.cb_eval, parameters.abort_callback, parameters.cb_eval_user_data) = watch.Callbacks;
        parameters.abort_callback_user_data = parameters.cb_eval_user_data;
        var context = ContextHandle.Create(model, parameters);
        if (!context.IsInvalid) return context;
        // LLamaSharp takes a reference on the model for a context that was not made, and an invalid handle never gives it back.
        model.DangerousRelease();
        context.SetHandleAsInvalid();
        return null;
    }

    internal static uint ContextLength(ContextHandle context) => context.ContextSize;

    internal static uint BatchSize(ContextHandle context) => context.BatchSize;

    internal static uint MicroBatchSize(ContextHandle context) => context.UBatchSize;

    internal static uint MaxSequences(ContextHandle context) => context.MaxSeq;

    internal static int Threads(ContextHandle context) => context.GenerationThreads;

    internal static int BatchThreads(ContextHandle context) => context.BatchThreads;

    internal static int PoolingType(ContextHandle context) => (int)context.PoolingType;

    internal static float* LogitsIth(ContextHandle context, int index)
    {
        try
        {
            return (float*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref MemoryMarshal.GetReference(context.GetLogitsIth(index)));
        }
        catch (LLama.Exceptions.GetLogitsInvalidIndexException)
        {
            return null;
        }
    }

    internal static void MemoryClear(nint memory, bool data) => NativeApi.llama_memory_clear(memory, data);

    internal static bool MemoryRemove(nint memory, int sequence, int from, int to) => NativeApi.llama_memory_seq_rm(memory, (LLamaSeqId)sequence, from, to);

    internal static nuint StateSize(ContextHandle context, int sequence) => context.GetStateSize((LLamaSeqId)sequence);

    internal static nuint StateGet(ContextHandle context, byte* destination, nuint size, int sequence) => context.GetState(destination, size, (LLamaSeqId)sequence);

    internal static nuint StateSet(ContextHandle context, byte* source, nuint size, int sequence) => context.SetState(source, size, (LLamaSeqId)sequence);

    internal static void PerfContextReset(ContextHandle context) => context.ResetTimings();
}
