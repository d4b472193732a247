using System.Diagnostics;
using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace FinerCut.Gguf;

/// <summary>The file beside the target that is written first, named TARGET.PROCESS-NUMBER.partial.</summary>
internal static class PartialFile
{
    private const string Suffix = ".partial";

    private static int s_number;

    public static string NameFor(string path) =>
        string.Create(CultureInfo.InvariantCulture, $"{path}.{Environment.ProcessId}-{Interlocked.Increment(ref s_number)}{Suffix}");

    /// <summary>Creates it with all its space reserved, so that a full disk shows before the first byte.</summary>
    /// <exception cref="GgufWriteException">No space, or the folder cannot be written to.</exception>
    public static SafeFileHandle Create(string partial, string target, long length)
    {
        try
        {
            var available = new DriveInfo(Path.GetDirectoryName(target)!).AvailableFreeSpace;
            if (available < length) throw DiskFull(target, length, available);
        }
        catch (Exception e) when (e is ArgumentException or DriveNotFoundException or IOException or UnauthorizedAccessException)
        {
            // No figures to be had (a network folder): reserving the space decides.
        }
        try
        {
            return File.OpenHandle(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None, length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Explain(e, target, length);
        }
    }

    public static GgufWriteException Explain(Exception e, string target, long length) => e switch
    {
        IOException io when Posix.IsDiskFull(io) => DiskFull(target, length, null, e),
        _ => new(GgufWriteCause.NotWritable, target, $"{e.Message} Check that the folder exists and may be written to.", e),
    };

    public static void Remove(string partial)
    {
        try
        {
            File.Delete(partial);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What made the write fail is the news; the next write removes the leftover.
        }
    }

    /// <summary>Removes what writers of the same target left that were killed: their process is gone and nobody holds the file's lock.</summary>
    public static void RemoveStale(string target)
    {
        var folder = Path.GetDirectoryName(target)!;
        if (!Directory.Exists(folder)) return;
        var prefix = Path.GetFileName(target) + ".";
        foreach (var path in Directory.EnumerateFiles(folder, "*" + Suffix))
        {
            var name = Path.GetFileName(path);
            if (!name.StartsWith(prefix, StringComparison.Ordinal)) continue;
            var middle = name[prefix.Length..^Suffix.Length].Split('-');
            if (middle.Length != 2 || !int.TryParse(middle[0], CultureInfo.InvariantCulture, out var process) || !IsGone(process)) continue;
            try
            {
                using (File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
                {
                }
                Remove(path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Held or not ours.
            }
        }
    }

    private static bool IsGone(int process)
    {
        try
        {
            using (Process.GetProcessById(process))
            {
                return false;
            }
        }
        catch (ArgumentException)
        {
            return true;
        }
    }

    private static GgufWriteException DiskFull(string target, long length, long? available, Exception? inner = null) => new(GgufWriteCause.DiskFull, target,
        $"the file needs {length} bytes{(available is null ? "" : $", {available} are free")}. Free some space or write elsewhere; nothing was changed.", inner);
}
