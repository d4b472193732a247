using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>Which llama.cpp the loaded library was built from: its package does not always name the right one.</summary>
internal static unsafe partial class Ggml
{
    internal static string Commit => Marshal.PtrToStringUTF8(CommitText()) ?? string.Empty;

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_commit")]
    private static partial nint CommitText();
}
