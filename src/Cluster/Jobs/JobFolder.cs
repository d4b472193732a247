using Orleans.Concurrency;

namespace FinerCut.Cluster.Jobs;

/// <summary>
/// A job's work folder on this host and its kept copy in the cluster's database: what a host found travels to the one that goes on. Files that are too large stay
/// where they are; what they hold is made again. One keeps while another restores: until all is restored nothing is kept, for what lies here is older than what is kept, or half of it.
/// </summary>
internal sealed class JobFolder(IGrainFactory grains, string job, string folder)
{
    /// <summary>Fits of a large model's projections are above it, scores and texts of any search below.</summary>
    public const int LargestFile = 32 << 20;

    /// <summary>The restorer's, and the keeper's once it has read that all is restored.</summary>
    private readonly Dictionary<string, (DateTime Changed, long Length)> _kept = new(StringComparer.Ordinal);

    private volatile bool _isRestored;

    /// <summary>Puts the kept files in the place of what is there.</summary>
    public async Task RestoreAsync(IEnumerable<string> files)
    {
        Directory.CreateDirectory(folder);
        foreach (var file in files.Where(IsInside))
        {
            if (await grains.GetGrain<IJobFileGrain>(JobText.FileKey(job, file)).ReadAsync() is not { } content) continue;
            var path = Path.Combine(folder, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await WriteAsync(path, content);
            _kept[file] = Stamp(path);
        }

        _isRestored = true;
    }

    /// <summary>Keeps what has changed since the last call; nothing before all is restored.</summary>
    /// <returns>The files, by their paths in the folder.</returns>
    public async Task<IReadOnlyList<string>> KeepAsync(int attempt, CancellationToken cancellationToken)
    {
        var kept = new List<string>();
        if (!_isRestored || !Directory.Exists(folder)) return kept;
        foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            var file = Path.GetRelativePath(folder, path).Replace('\\', '/');
            if (file is "job.json" or "worker.pid" or "result.json" || file.EndsWith(".new", StringComparison.Ordinal)) continue;
            try
            {
                var stamp = Stamp(path);
                if (stamp.Length is 0 or > LargestFile || (_kept.TryGetValue(file, out var before) && before == stamp)) continue;
                var content = await File.ReadAllBytesAsync(path, cancellationToken);
                await KeepAsync(file, attempt, content);
                _kept[file] = stamp;
                kept.Add(file);
            }
            catch (IOException)
            {
                // Replaced while it was read: the next look has the new one.
            }
        }

        return kept;
    }

    public Task KeepAsync(string file, int attempt, byte[] content) => grains.GetGrain<IJobFileGrain>(JobText.FileKey(job, file)).WriteAsync(attempt, content.AsImmutable());

    private static async Task WriteAsync(string path, byte[] content)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        await using var file = new FileStream(path, options);
        await file.WriteAsync(content);
    }

    private static (DateTime Changed, long Length) Stamp(string path) => new FileInfo(path) is { Exists: true } file ? (file.LastWriteTimeUtc, file.Length) : default;

    private bool IsInside(string file) => Path.GetFullPath(Path.Combine(folder, file)).StartsWith(Path.GetFullPath(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal);
}
