using System.Reflection;
using System.Runtime.InteropServices;
using LLama.Native;

namespace FinerCut.Runtime.Native;

/// <summary>
/// Lets LLamaSharp choose and load its library (by processor and, where the CUDA 12 backend is there, by CUDA), and finds the same files again for the
/// functions that it does not have. One library for the life of the process.
/// </summary>
internal static class NativeLibraries
{
    private static readonly Lock Gate = new();
    private static Dictionary<string, nint>? _handles;
    private static string? _folder;
    private static bool _byChoice;

    /// <summary>Loads the library, from where LLamaSharp finds its own if no folder is named, and says from where. A later call with the same folder does nothing.</summary>
    /// <exception cref="LlamaException">Libraries are missing, do not load, or another folder was loaded before.</exception>
    internal static string Load(string? wanted, NativeLog log)
    {
        lock (Gate)
        {
            if (_folder is not null && (_folder == wanted || (wanted is null && !_byChoice))) return _folder;
            var named = wanted is null ? null : Find(wanted);
            if (_folder is not null)
            {
                throw new LlamaException(
                    LlamaErrorCode.NativesMissing,
                    $"llama.cpp's natives are already loaded from {_folder}; this process cannot load them from {wanted} as well. Use one folder, or a second process.");
            }

            if (!NativeLibraryConfig.LLama.LibraryHasLoaded)
            {
                NativeLibraryConfig.LLama
                    .WithLibrary(named) // of mtmd nothing is used
                    .WithSearchDirectory(AppContext.BaseDirectory) // before the working folder, where anybody may lay files
                    .WithVulkan(false)
                    .WithLogCallback((level, line) => Write(log, level, line));
            }

            try
            {
                NativeApi.llama_empty_call();
            }
            catch (Exception failure) when (failure is TypeInitializationException or DllNotFoundException or LLama.Exceptions.RuntimeError)
            {
                throw new LlamaException(
                    LlamaErrorCode.NativesMissing,
                    $"LLamaSharp does not load its library{(wanted is null ? string.Empty : " from " + wanted)}: {Message(failure)}. "
                    + "Build with -p:LlamaRuntime=LLamaSharp, which copies the backend's runtimes/ folder beside the program, and keep libgomp (libgomp1) installed.",
                    failure);
            }

            var library = named ?? Loaded();
            var folder = Path.GetDirectoryName(library)!;
            _handles = new Dictionary<string, nint>(StringComparer.Ordinal)
            {
                [Llama.Library] = NativeLibrary.Load(library),
                [Ggml.Library] = NativeLibrary.Load(Beside(library, Ggml.Library)),
                [Ggml.BaseLibrary] = NativeLibrary.Load(Beside(library, Ggml.BaseLibrary)),
            };
            NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, Resolve);
            _byChoice = wanted is not null;
            return _folder = folder;
        }
    }

    /// <summary>Address of an exported function, for calls that LibraryImport cannot express.</summary>
    internal static nint Export(string library, string function) => NativeLibrary.GetExport(_handles![library], function);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        _handles is { } handles && handles.TryGetValue(name, out var handle) ? handle : 0;

    /// <summary>The file that LLamaSharp has loaded: its choice names relative paths, of which the first that exists was taken.</summary>
    private static string Loaded()
    {
        var choice = NativeApi.GetLoadedNativeLibrary(NativeLibraryName.LLama);
        foreach (var relative in choice?.Prepare(LLama.Native.SystemInfo.Get(), null) ?? [])
        {
            var path = Path.Combine(AppContext.BaseDirectory, relative);
            if (File.Exists(path)) return Path.GetFullPath(path);
        }

        throw new LlamaException(
            LlamaErrorCode.NativesMissing,
            $"LLamaSharp has loaded a libllama that does not lie under {AppContext.BaseDirectory}: its release is not known. Set {NativeRuntimeOptions.FolderVariable} to its folder.");
    }

    private static string Find(string folder)
    {
        var remedy = $"Unset {NativeRuntimeOptions.FolderVariable}, or let it name a folder with libllama, libggml and libggml-base of LLamaSharp's llama.cpp.";
        if (!Directory.Exists(folder)) throw new LlamaException(LlamaErrorCode.NativesMissing, $"There is no folder {folder} with llama.cpp's natives. {remedy}");
        var library = Path.Combine(folder, FileName(Llama.Library));
        string[] missing = [.. ((string[])[Llama.Library, Ggml.Library, Ggml.BaseLibrary]).Where(name => !File.Exists(Beside(library, name))).Select(name => "lib" + name)];
        return missing.Length == 0 ? library : throw new LlamaException(LlamaErrorCode.NativesMissing, $"{folder} lacks {string.Join(", ", missing)}. {remedy}");
    }

    private static string Beside(string library, string name) => Path.Combine(Path.GetDirectoryName(library)!, FileName(name));

    private static string FileName(string name) =>
        OperatingSystem.IsWindows() ? name + ".dll" : OperatingSystem.IsMacOS() ? $"lib{name}.dylib" : $"lib{name}.so";

    private static string Message(Exception failure) => (failure.InnerException ?? failure).Message.Split('\n')[0].Trim();

    private static void Write(NativeLog log, LLamaLogLevel level, string line)
    {
        try
        {
            log.Append((int)level, line);
        }
        catch (Exception)
        {
            // The frame above is native: a logger that fails must not end the process.
        }
    }
}
