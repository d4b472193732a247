using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace FinerCut.Runtime.Native;

/// <summary>Functions of libllama that every adapter calls itself, in the library that it has loaded: LLamaSharp has none, or one that hides a result.</summary>
internal static unsafe partial class Llama
{
    internal const string Library = "llama";

    [LibraryImport(Library, EntryPoint = "llama_model_n_embd_out")]
    internal static partial int ModelOutputEmbeddingLength(ModelHandle model);

    [LibraryImport(Library, EntryPoint = "llama_model_n_cls_out")]
    internal static partial uint ModelClassCount(ModelHandle model);

    [LibraryImport(Library, EntryPoint = "llama_model_get_vocab")]
    internal static partial nint ModelGetVocab(ModelHandle model);

    [LibraryImport(Library, EntryPoint = "llama_vocab_get_suppress_tokens")]
    internal static partial int* VocabSuppressTokens(nint vocab, int* count);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_grammar", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint InitGrammar(nint vocab, string grammar, string root);

    [LibraryImport(Library, EntryPoint = "llama_sampler_chain_add")]
    private static partial void Add(SamplerHandle chain, nint sampler);

    [LibraryImport(Library, EntryPoint = "llama_attach_threadpool")]
    internal static partial void AttachThreadPool(ContextHandle context, nint pool, nint batchPool);

    [LibraryImport(Library, EntryPoint = "llama_get_memory")]
    internal static partial nint Memory(ContextHandle context);

    [LibraryImport(Library, EntryPoint = "llama_memory_seq_cp")]
    internal static partial void MemoryCopy(nint memory, int source, int target, int from, int to);

    [LibraryImport(Library, EntryPoint = "llama_memory_seq_add")]
    internal static partial void MemoryAdd(nint memory, int sequence, int from, int to, int delta);

    [LibraryImport(Library, EntryPoint = "llama_memory_seq_pos_max")]
    internal static partial int MemoryLastPosition(nint memory, int sequence);

    [LibraryImport(Library, EntryPoint = "llama_memory_can_shift")]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool MemoryCanShift(nint memory);

    [LibraryImport(Library, EntryPoint = "llama_get_embeddings_ith")]
    internal static partial float* EmbeddingsIth(ContextHandle context, int index);

    [LibraryImport(Library, EntryPoint = "llama_get_embeddings_seq")]
    internal static partial float* EmbeddingsSequence(ContextHandle context, int sequence);

    [LibraryImport(Library, EntryPoint = "llama_perf_context")]
    internal static partial LlamaPerfContextData PerfContext(ContextHandle context);

    [LibraryImport(Library, EntryPoint = "llama_adapter_lora_init", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint AdapterLoad(ModelHandle model, string path);

    [LibraryImport(Library, EntryPoint = "llama_adapter_meta_count")]
    internal static partial int AdapterMetaCount(nint adapter);

    [LibraryImport(Library, EntryPoint = "llama_adapter_meta_key_by_index")]
    internal static partial int AdapterMetaKey(nint adapter, int index, byte* buffer, nuint size);

    [LibraryImport(Library, EntryPoint = "llama_adapter_meta_val_str_by_index")]
    internal static partial int AdapterMetaValue(nint adapter, int index, byte* buffer, nuint size);

    [LibraryImport(Library, EntryPoint = "llama_set_adapters_lora")]
    internal static partial int SetAdapters(ContextHandle context, nint* adapters, nuint count, float* scales);
}
