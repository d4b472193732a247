using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>The functions of libllama (include/llama.h, v0.5.0) that the runtime calls: library, model, context, memory.</summary>
internal static unsafe partial class Llama
{
    [LibraryImport(Library, EntryPoint = "llama_backend_init")]
    private static partial void BackendInit();

    [LibraryImport(Library, EntryPoint = "llama_log_set")]
    private static partial void LogSet(delegate* unmanaged[Cdecl]<int, byte*, nint, void> callback, nint userData);

    [LibraryImport(Library, EntryPoint = "llama_version")]
    private static partial byte* Version();

    [LibraryImport(Library, EntryPoint = "llama_print_system_info")]
    private static partial byte* PrintSystemInfo();

    [LibraryImport(Library, EntryPoint = "llama_supports_gpu_offload")]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool SupportsGpuOffload();

    [LibraryImport(Library, EntryPoint = "llama_max_parallel_sequences")]
    internal static partial nuint MaxParallelSequences();

    [LibraryImport(Library, EntryPoint = "llama_model_default_params")]
    internal static partial LlamaModelParams ModelDefaultParams();

    [LibraryImport(Library, EntryPoint = "llama_context_default_params")]
    internal static partial LlamaContextParams ContextDefaultParams();

    [LibraryImport(Library, EntryPoint = "llama_batch_get_one")]
    internal static partial LlamaBatch BatchGetOne(int* tokens, int count);

    [LibraryImport(Library, EntryPoint = "llama_model_load_from_file", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint ModelLoadFromFile(string path, LlamaModelParams parameters);

    [LibraryImport(Library, EntryPoint = "llama_model_free")]
    internal static partial void ModelFree(nint model);

    [LibraryImport(Library, EntryPoint = "llama_model_n_ctx_train")]
    internal static partial int ModelContextLength(ModelHandle model);

    [LibraryImport(Library, EntryPoint = "llama_model_n_embd")]
    internal static partial int ModelEmbeddingLength(ModelHandle model);

    [LibraryImport(Library, EntryPoint = "llama_model_n_layer")]
    internal static partial int ModelBlockCount(ModelHandle model);

    [LibraryImport(Library, EntryPoint = "llama_model_size")]
    internal static partial ulong ModelSize(ModelHandle model);

    [LibraryImport(Library, EntryPoint = "llama_model_n_params")]
    internal static partial ulong ModelParameterCount(ModelHandle model);

    [LibraryImport(Library, EntryPoint = "llama_model_has_encoder")]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool ModelHasEncoder(ModelHandle model);

    [LibraryImport(Library, EntryPoint = "llama_model_has_decoder")]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool ModelHasDecoder(ModelHandle model);

    [LibraryImport(Library, EntryPoint = "llama_model_desc")]
    internal static partial int ModelDescription(ModelHandle model, byte* buffer, nuint size);

    [LibraryImport(Library, EntryPoint = "llama_model_chat_template")]
    internal static partial byte* ModelChatTemplate(ModelHandle model, byte* name);

    [LibraryImport(Library, EntryPoint = "llama_model_meta_count")]
    internal static partial int ModelMetaCount(ModelHandle model);

    [LibraryImport(Library, EntryPoint = "llama_model_meta_key_by_index")]
    internal static partial int ModelMetaKey(ModelHandle model, int index, byte* buffer, nuint size);

    [LibraryImport(Library, EntryPoint = "llama_model_meta_val_str_by_index")]
    internal static partial int ModelMetaValue(ModelHandle model, int index, byte* buffer, nuint size);

    [LibraryImport(Library, EntryPoint = "llama_init_from_model")]
    internal static partial nint InitFromModel(ModelHandle model, LlamaContextParams parameters);

    [LibraryImport(Library, EntryPoint = "llama_free")]
    internal static partial void Free(nint context);

    [LibraryImport(Library, EntryPoint = "llama_n_ctx")]
    internal static partial uint ContextLength(ContextHandle context);

    [LibraryImport(Library, EntryPoint = "llama_n_batch")]
    internal static partial uint BatchSize(ContextHandle context);

    [LibraryImport(Library, EntryPoint = "llama_n_ubatch")]
    internal static partial uint MicroBatchSize(ContextHandle context);

    [LibraryImport(Library, EntryPoint = "llama_n_seq_max")]
    internal static partial uint MaxSequences(ContextHandle context);

    [LibraryImport(Library, EntryPoint = "llama_n_threads")]
    internal static partial int Threads(ContextHandle context);

    [LibraryImport(Library, EntryPoint = "llama_n_threads_batch")]
    internal static partial int BatchThreads(ContextHandle context);

    [LibraryImport(Library, EntryPoint = "llama_pooling_type")]
    internal static partial int PoolingType(ContextHandle context);

    [LibraryImport(Library, EntryPoint = "llama_decode")]
    internal static partial int Decode(ContextHandle context, LlamaBatch batch);

    [LibraryImport(Library, EntryPoint = "llama_get_logits_ith")]
    internal static partial float* LogitsIth(ContextHandle context, int index);

    [LibraryImport(Library, EntryPoint = "llama_memory_clear")]
    internal static partial void MemoryClear(nint memory, [MarshalAs(UnmanagedType.U1)] bool data);

    [LibraryImport(Library, EntryPoint = "llama_memory_seq_rm")]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool MemoryRemove(nint memory, int sequence, int from, int to);

    [LibraryImport(Library, EntryPoint = "llama_state_seq_get_size")]
    internal static partial nuint StateSize(ContextHandle context, int sequence);

    [LibraryImport(Library, EntryPoint = "llama_state_seq_get_data")]
    internal static partial nuint StateGet(ContextHandle context, byte* destination, nuint size, int sequence);

    [LibraryImport(Library, EntryPoint = "llama_state_seq_set_data")]
    internal static partial nuint StateSet(ContextHandle context, byte* source, nuint size, int sequence);

    [LibraryImport(Library, EntryPoint = "llama_perf_context_reset")]
    internal static partial void PerfContextReset(ContextHandle context);
}
