using System.Globalization;

namespace FinerCut.Gateway.Memory;

/// <summary>How much memory this process and its workers may have: the machine's, or less where a control group says so.</summary>
public static class MachineMemory
{
    /// <summary>Smallest of all limits that hold; long.MaxValue where none can be read.</summary>
    /// <param name="root">Of the file system; another one in tests.</param>
    public static long Limit(string root = "/")
    {
        var limits = new List<long>();
        if (Lines(root, "proc/meminfo").FirstOrDefault(line => line.StartsWith("MemTotal:", StringComparison.Ordinal)) is { } total
            && long.TryParse(total["MemTotal:".Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture, out var kib))
        {
            limits.Add(kib << 10);
        }

        foreach (var line in Lines(root, "proc/self/cgroup"))
        {
            // "0::/path" is version 2, "4:memory:/path" is version 1. Inside a container the path may be the host's: the groups above count, too.
            var parts = line.Split(':', 3);
            if (parts.Length < 3) continue;
            if (parts[1].Length == 0) limits.AddRange(Along(root, "sys/fs/cgroup", parts[2], "memory.max"));
            else if (parts[1].Split(',').Contains("memory")) limits.AddRange(Along(root, "sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes"));
        }

        return limits.Count == 0 ? long.MaxValue : limits.Min();
    }

    private static IEnumerable<long> Along(string root, string mount, string path, string file)
    {
        for (var at = path.Trim('/'); ; at = at.Contains('/', StringComparison.Ordinal) ? at[..at.LastIndexOf('/')] : "")
        {
            if (Lines(root, Path.Combine(mount, at, file)) is [var text, ..] && long.TryParse(text.Trim(), CultureInfo.InvariantCulture, out var limit)) yield return limit;
            if (at.Length == 0) yield break;
        }
    }

    private static string[] Lines(string root, string path)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(root, path));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
