using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>Functions of libllama that LLamaSharp keeps to itself, called in the library that it has loaded.</summary>
internal static partial class Llama
{
    // SafeLLamaContextHandle has these too, but looks the memory up again each time, and SequenceMemory holds it already.
    [LibraryImport(Library, EntryPoint = "llama_memory_seq_cp")]
    internal static partial void MemoryCopy(nint memory, int source, int target, int from, int to);

    [LibraryImport(Library, EntryPoint = "llama_memory_seq_add")]
    internal static partial void MemoryAdd(nint memory, int sequence, int from, int to, int delta);

    [LibraryImport(Library, EntryPoint = "llama_memory_seq_pos_max")]
    internal static partial int MemoryLastPosition(nint memory, int sequence);

    [LibraryImport(Library, EntryPoint = "llama_memory_can_shift")]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool MemoryCanShift(nint memory);

    [LibraryImport(Library, EntryPoint = "llama_sampler_chain_add")]
    private static partial void Add(SamplerHandle chain, nint sampler);
}
