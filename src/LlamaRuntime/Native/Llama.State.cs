using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>libllama's sequence states, LoRA adapters and counters.</summary>
internal static unsafe partial class Llama
{
    [LibraryImport(Library, EntryPoint = "llama_state_seq_get_size")]
    internal static partial nuint StateSize(ContextHandle context, int sequence);

    [LibraryImport(Library, EntryPoint = "llama_state_seq_get_data")]
    internal static partial nuint StateGet(ContextHandle context, byte* destination, nuint size, int sequence);

    [LibraryImport(Library, EntryPoint = "llama_state_seq_set_data")]
    internal static partial nuint StateSet(ContextHandle context, byte* source, nuint size, int sequence);

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

    [LibraryImport(Library, EntryPoint = "llama_perf_context")]
    internal static partial LlamaPerfContextData PerfContext(ContextHandle context);

    [LibraryImport(Library, EntryPoint = "llama_perf_context_reset")]
    internal static partial void PerfContextReset(ContextHandle context);
}
