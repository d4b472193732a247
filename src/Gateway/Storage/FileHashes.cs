using System.Security.Cryptography;
using System.Text.Json;

namespace FinerCut.Gateway.Storage;

/// <summary>SHA-256 of large files, remembered by path, size and time of change. Used at start only, by one caller.</summary>
public sealed class FileHashes(StateFolder state)
{
    private readonly string _path = state.Of("hashes.json");

    /// <summary>Lower-case hex.</summary>
    public async Task<string> Sha256Async(string path, CancellationToken cancellationToken)
    {
        var known = await ReadAsync(cancellationToken);
        var file = new FileInfo(path);
        if (known.TryGetValue(path, out var entry) && entry.Size == file.Length && entry.Changed == file.LastWriteTimeUtc) return entry.Sha256;
        await using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20, FileOptions.SequentialScan | FileOptions.Asynchronous);
        var hash = Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken));
        known[path] = new Entry(file.Length, file.LastWriteTimeUtc, hash);
        StateFolder.WriteWhole(_path, JsonSerializer.Serialize(known));
        return hash;
    }

    private async Task<Dictionary<string, Entry>> ReadAsync(CancellationToken cancellationToken)
    {
        if (!File.Exists(_path)) return [];
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, Entry>>(await File.ReadAllBytesAsync(_path, cancellationToken)) ?? [];
        }
        catch (JsonException)
        {
            // A memory only: what cannot be read is worked out again.
            return [];
        }
    }

    private sealed record Entry(long Size, DateTime Changed, string Sha256);
}
