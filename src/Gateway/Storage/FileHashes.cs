using System.Security.Cryptography;
using System.Text.Json;

namespace FinerCut.Gateway.Storage;

/// <summary>SHA-256 of large files, remembered by path, size and time of change. One caller at a time.</summary>
public sealed class FileHashes(StateFolder state)
{
    private readonly string _path = state.Of("hashes.json");

    /// <summary>Lower-case hex.</summary>
    public async Task<string> Sha256Async(string path, CancellationToken cancellationToken)
    {
        var known = await ReadAsync(cancellationToken);
        var file = new FileInfo(path);
        if (known.TryGetValue(path, out var entry) && entry.Size == file.Length && entry.Changed == file.LastWriteTimeUtc) return entry.Sha256;
        var hash = await OfAsync(path, cancellationToken);
        Write(known, path, file, hash);
        return hash;
    }

    /// <summary>Reads the file, whatever is remembered, and remembers nothing.</summary>
    public static async Task<string> OfAsync(string path, CancellationToken cancellationToken)
    {
        await using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20, FileOptions.SequentialScan | FileOptions.Asynchronous);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken));
    }

    /// <summary>Takes down what somebody has just read, so that the file is not read again.</summary>
    public async Task RememberAsync(string path, string sha256, CancellationToken cancellationToken) =>
        Write(await ReadAsync(cancellationToken), path, new FileInfo(path), sha256);

    private void Write(Dictionary<string, Entry> known, string path, FileInfo file, string sha256)
    {
        known[path] = new Entry(file.Length, file.LastWriteTimeUtc, sha256);
        StateFolder.WriteWhole(_path, JsonSerializer.Serialize(known));
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
