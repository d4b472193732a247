using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>libllama's vocabulary: thread-safe functions of a llama_vocab, which lives as long as its model.</summary>
internal static unsafe partial class Llama
{
    [LibraryImport(Library, EntryPoint = "llama_vocab_n_tokens")]
    internal static partial int VocabCount(nint vocab);

    [LibraryImport(Library, EntryPoint = "llama_vocab_type")]
    internal static partial int VocabType(nint vocab);

    [LibraryImport(Library, EntryPoint = "llama_tokenize")]
    internal static partial int Tokenize(
        nint vocab, byte* text, int length, int* tokens, int capacity, [MarshalAs(UnmanagedType.U1)] bool addSpecial, [MarshalAs(UnmanagedType.U1)] bool parseSpecial);

    [LibraryImport(Library, EntryPoint = "llama_token_to_piece")]
    internal static partial int TokenToPiece(nint vocab, int token, byte* buffer, int length, int leftStrip, [MarshalAs(UnmanagedType.U1)] bool special);

    [LibraryImport(Library, EntryPoint = "llama_vocab_is_eog")]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool VocabIsEndOfGeneration(nint vocab, int token);

    [LibraryImport(Library, EntryPoint = "llama_vocab_bos")]
    internal static partial int VocabBos(nint vocab);

    [LibraryImport(Library, EntryPoint = "llama_vocab_eos")]
    internal static partial int VocabEos(nint vocab);

    [LibraryImport(Library, EntryPoint = "llama_vocab_eot")]
    internal static partial int VocabEot(nint vocab);

    [LibraryImport(Library, EntryPoint = "llama_vocab_sep")]
    internal static partial int VocabSep(nint vocab);

    [LibraryImport(Library, EntryPoint = "llama_vocab_nl")]
    internal static partial int VocabNl(nint vocab);

    [LibraryImport(Library, EntryPoint = "llama_vocab_pad")]
    internal static partial int VocabPad(nint vocab);

    [LibraryImport(Library, EntryPoint = "llama_vocab_get_add_bos")]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool VocabAddBos(nint vocab);

    [LibraryImport(Library, EntryPoint = "llama_vocab_get_add_eos")]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool VocabAddEos(nint vocab);

    [LibraryImport(Library, EntryPoint = "llama_vocab_fim_pre")]
    internal static partial int VocabFimPrefix(nint vocab);

    [LibraryImport(Library, EntryPoint = "llama_vocab_fim_suf")]
    internal static partial int VocabFimSuffix(nint vocab);

    [LibraryImport(Library, EntryPoint = "llama_vocab_fim_mid")]
    internal static partial int VocabFimMiddle(nint vocab);
}
