using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace FinerCut.Runtime.Native;

/// <summary>The GPU backends of ggml that lie beside the natives. They are loaded by ggml itself, which is silent about one that does not load.</summary>
internal static partial class GpuBackends
{
    /// <summary>Folder below the natives with backends for where the first ones do not load.</summary>
    internal const string Fallback = "fallback";

    /// <summary>Why none of the backends that lie there drives a GPU; null where none lies there. Only to be asked when none does.</summary>
    internal static string? Trouble(string folder)
    {
        string[] files = [.. new[] { folder, Path.Combine(folder, Fallback) }.Where(Directory.Exists)
            .SelectMany(Directory.EnumerateFiles).Where(file => FileName().IsMatch(Path.GetFileName(file))).Order(StringComparer.Ordinal)];
        return files.Length == 0 ? null : string.Join("; ", files.Select(file => $"{Path.GetRelativePath(folder, file)} {Outcome(file)}"));
    }

    private static string Outcome(string file)
    {
        try
        {
            NativeLibrary.Load(file); // never unloaded: ggml may hold it
            return "loads, but finds no device";
        }
        catch (Exception failure) when (failure is DllNotFoundException or BadImageFormatException)
        {
            var reason = failure.Message.Split('\n').FirstOrDefault(line => line.Contains("cannot open", StringComparison.Ordinal)) ?? failure.Message.Split('\n')[0];
            return $"does not load ({reason.Trim()})";
        }
    }

    [GeneratedRegex(@"^(lib)?ggml-(cuda|hip|vulkan|metal|sycl|opencl)\b.*\.(so|dylib|dll)$")]
    private static partial Regex FileName();
}
