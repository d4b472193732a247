using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace FinerCut.Runtime.Native;

/// <summary>
/// Finds libggml-base, libggml and libllama in one folder and loads them by full path. The loaded library is the one static state of the
/// runtime: ggml registers its backends process-wide, so a process has one folder for its lifetime.
/// </summary>
internal static partial class NativeLibraries
{
    private static readonly Lock Gate = new();
    private static Dictionary<string, nint>? _handles;
    private static string? _folder;

    /// <summary>Loads the libraries, from natives/ beside the program where no folder is named, and says from where. A later call with the same folder does nothing.</summary>
    /// <exception cref="LlamaException">Libraries are missing, do not load, or another folder was loaded before.</exception>
    internal static string Load(string? wanted, NativeLog log)
    {
        var folder = wanted ?? Path.Combine(AppContext.BaseDirectory, "natives");
        lock (Gate)
        {
            if (_folder == folder) return folder;
            var files = Find(folder);
            if (_folder is not null)
            {
                throw new LlamaException(
                    LlamaErrorCode.NativesMissing,
                    $"llama.cpp's natives are already loaded from {_folder}; this process cannot load them from {folder} as well. Use one folder, or a second process.");
            }

            var handles = new Dictionary<string, nint>(StringComparer.Ordinal);
            foreach (var name in (string[])[Ggml.BaseLibrary, Ggml.Library, Llama.Library])
            {
                try
                {
                    handles[name] = NativeLibrary.Load(files[name]);
                }
                catch (Exception failure) when (failure is DllNotFoundException or BadImageFormatException)
                {
                    throw new LlamaException(
                        LlamaErrorCode.NativesMissing,
                        $"{files[name]} does not load on {RuntimeInformation.RuntimeIdentifier}. It must be built for this platform, and the libraries it needs must lie beside it.",
                        failure);
                }
            }

            NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, Resolve);
            _handles = handles;
            _folder = folder;
            return folder;
        }
    }

    /// <summary>Address of an exported function, for calls that LibraryImport cannot express.</summary>
    internal static nint Export(string library, string function) => NativeLibrary.GetExport(_handles![library], function);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        _handles is { } handles && handles.TryGetValue(name, out var handle) ? handle : 0;

    private static Dictionary<string, string> Find(string folder)
    {
        const string Remedy = "Build the project, which copies them from npm's @node-llama-cpp packages into natives/ beside the program, or set "
            + $"{NativeRuntimeOptions.FolderVariable} to a folder with libllama, libggml and libggml-base of llama.cpp v0.5.0.";
        if (!Directory.Exists(folder))
            throw new LlamaException(LlamaErrorCode.NativesMissing, $"There is no folder {folder} with llama.cpp's natives. {Remedy}");

        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            var match = FileName().Match(Path.GetFileName(file));
            if (match.Success) found.TryAdd(match.Groups["name"].Value, file);
        }

        string[] missing = [.. ((string[])[Llama.Library, Ggml.Library, Ggml.BaseLibrary]).Where(name => !found.ContainsKey(name)).Select(name => "lib" + name)];
        return missing.Length == 0
            ? found
            : throw new LlamaException(LlamaErrorCode.NativesMissing, $"{folder} lacks {string.Join(", ", missing)}. {Remedy}");
    }

    [GeneratedRegex(@"^(lib)?(?<name>llama|ggml-base|ggml)(\.(cuda|vulkan|metal))?(\.v?[0-9.]+)?\.(so|dylib|dll)(\.[0-9.]+)?$")]
    private static partial Regex FileName();
}
