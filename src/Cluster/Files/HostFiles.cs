using System.Collections.Concurrent;
using System.Collections.Immutable;
using FinerCut.Cluster.Hosts;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Storage;
using Microsoft.Extensions.Logging;

namespace FinerCut.Cluster.Files;

/// <summary>A model file could not be had from other hosts; the message says why.</summary>
public sealed class HostFileException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>
/// Model files of this host by their content: says which it has, gives pieces of them to other hosts, and fetches what it lacks. A file travels once: two who want it at the same time
/// wait for one fetch, a fetch that broke off goes on where it was, and none is used before its SHA-256 was reckoned here. Thread-safe.
/// </summary>
internal sealed partial class HostFiles(IGrainFactory grains, ILogger<HostFiles> logger)
{
    private const int Piece = 1 << 20;

    /// <summary>Pieces under way at once: enough to fill a network while the disk writes.</summary>
    private const int Ahead = 4;
    private static readonly TimeSpan PiecePatience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<string, Lazy<Task<string>>> _fetches = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> _paths = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _hashing = new(1);
    private readonly SemaphoreSlim _joining = new(1);
    private StateFolder _state = null!;
    private TimeProvider _time = null!;
    private FileHashes _hashes = null!;
    private volatile ImmutableDictionary<(string Model, string Version), FileNote> _notes = ImmutableDictionary<(string, string), FileNote>.Empty;

    public Task Watching { get; private set; } = Task.CompletedTask;

    /// <param name="models">As the settings have them now.</param>
    public void Start(StateFolder state, Func<IEnumerable<ModelConfig>> models, TimeProvider time, CancellationToken stopping)
    {
        (_state, _time, _hashes) = (state, time, new FileHashes(state));
        Watching = Task.Run(() => WatchAsync(models, stopping), CancellationToken.None);
    }

    /// <summary>Files of a model's versions that are whole here, as far as their hashes are known yet.</summary>
    public FileNote[] Notes(string model) => [.. _notes.Where(note => note.Key.Model == model).Select(note => note.Value)];

    /// <summary>Lower-case hex; read once a file.</summary>
    public async Task<string> HashAsync(string path, CancellationToken cancellationToken)
    {
        await _hashing.WaitAsync(cancellationToken);
        try
        {
            var hash = await _hashes.Sha256Async(path, cancellationToken);
            _paths[hash] = path;
            return hash;
        }
        finally
        {
            _hashing.Release();
        }
    }

    private async Task RememberAsync(string path, string hash)
    {
        await _hashing.WaitAsync();
        try
        {
            await _hashes.RememberAsync(path, hash, CancellationToken.None);
            _paths[hash] = path;
        }
        finally
        {
            _hashing.Release();
        }
    }

    /// <summary>A file here with that content: the one at <paramref name="expected"/>, or any other. Null where there is none.</summary>
    public async Task<string?> FindAsync(string sha256, string? expected, CancellationToken cancellationToken)
    {
        foreach (var path in (string?[])[expected, _paths.GetValueOrDefault(sha256), FetchedPath(sha256)])
        {
            if (File.Exists(path) && await HashAsync(path, cancellationToken) == sha256) return path;
        }

        return null;
    }

    /// <summary>Fetches the file, or goes on fetching it, unless it is here by now.</summary>
    /// <param name="bytes">Of the whole file.</param>
    /// <param name="sources">Hosts that have it; tried in their order.</param>
    /// <returns>Where it lies now.</returns>
    /// <exception cref="HostFileException">None of them gave it.</exception>
    public async Task<string> FetchAsync(string sha256, long bytes, IReadOnlyList<string> sources, CancellationToken cancellationToken)
    {
        var fetch = _fetches.GetOrAdd(sha256, _ => new Lazy<Task<string>>(() => FetchOnceAsync(sha256, bytes, sources)));
        try
        {
            return await fetch.Value.WaitAsync(cancellationToken);
        }
        finally
        {
            if (fetch.Value.IsCompleted) _fetches.TryRemove(new(sha256, fetch));
        }
    }

    /// <summary>Fetches what is missing of a split model's files, and lays all beside each other under the names that belong to a split model.</summary>
    /// <returns>Where the first lies now.</returns>
    /// <exception cref="HostFileException">One of them is to be had nowhere.</exception>
    public async Task<string> FetchSetAsync(string sha256, IReadOnlyList<FilePart> parts, IReadOnlyList<string> sources, CancellationToken cancellationToken)
    {
        if (ShardSet.HashOf(parts) != sha256) throw new HostFileException($"The {parts.Count} files of {sha256} are told wrongly: their hashes make another one.");
        await _joining.WaitAsync(cancellationToken);
        try
        {
            string At(int number) => _state.Of("files", sha256, ShardSet.NameOf(number, parts.Count));
            Directory.CreateDirectory(Path.GetDirectoryName(At(0))!);
            for (var number = 0; number < parts.Count; number++)
            {
                var (part, place) = (parts[number], At(number));
                var path = await FindAsync(part.Sha256, place, cancellationToken) ?? await FetchAsync(part.Sha256, part.Bytes, sources, cancellationToken);
                if (path == place) continue;
                // What was fetched for this is moved; what somebody else put here stays where it is.
                if (path == FetchedPath(part.Sha256)) File.Move(path, place, overwrite: true);
                else File.Copy(path, place, overwrite: true);
                await RememberAsync(place, part.Sha256);
            }

            return At(0);
        }
        finally
        {
            _joining.Release();
        }
    }

    /// <summary>A piece of a file, shorter at its end; null where this host has no such file.</summary>
    public async Task<byte[]?> ReadAsync(string sha256, long offset, int length)
    {
        if (length is < 0 or > Piece || offset < 0 || !_paths.TryGetValue(sha256, out var path) || !File.Exists(path)) return null;
        using var handle = File.OpenHandle(path, options: FileOptions.Asynchronous);
        var piece = new byte[Math.Clamp(RandomAccess.GetLength(handle) - offset, 0, length)];
        var read = 0;
        while (read < piece.Length && await RandomAccess.ReadAsync(handle, piece.AsMemory(read), offset + read) is > 0 and var more) read += more;
        return piece[..read];
    }

    private string FetchedPath(string sha256) => _state.Of("files", sha256 + ".gguf");

    private async Task<string> FetchOnceAsync(string sha256, long bytes, IReadOnlyList<string> sources)
    {
        // Whoever looked before the fetch of another was done, and asks after it.
        if (await FindAsync(sha256, null, CancellationToken.None) is { } here) return here;
        var (path, part) = (FetchedPath(sha256), FetchedPath(sha256) + ".part");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        Exception? last = null;
        foreach (var source in sources)
        {
            try
            {
                await CopyAsync(grains.GetGrain<IHostGrain>(source), sha256, bytes, part);
                var hash = await FileHashes.OfAsync(part, CancellationToken.None);
                if (hash != sha256)
                {
                    File.Delete(part);
                    throw new HostFileException($"What {source} gave has the SHA-256 {hash} instead of {sha256}; it was thrown away.");
                }

                File.Move(part, path, overwrite: true);
                await RememberAsync(path, hash);
                LogFetched(logger, sha256, bytes, source);
                return path;
            }
            catch (Exception exception) when (exception is HostFileException or IOException or TimeoutException or OrleansException or UnauthorizedAccessException)
            {
                // What has come stays for the next try.
                last = exception;
                LogNotFetched(logger, sha256, source, exception.Message);
            }
        }

        throw new HostFileException(last is null ? $"No host has the file {sha256}." : $"The file {sha256} could not be fetched: {last.Message}", last);
    }

    private async Task CopyAsync(IHostGrain source, string sha256, long bytes, string part)
    {
        await using var file = new FileStream(part, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, 1, FileOptions.Asynchronous);
        var at = file.Length > bytes ? 0 : file.Length;
        file.SetLength(at);
        file.Position = at;
        if (at > 0) LogResumed(logger, sha256, at, bytes);
        var pieces = new Queue<Task<byte[]?>>();
        for (var asked = at; at < bytes;)
        {
            for (; pieces.Count < Ahead && asked < bytes; asked += Piece) pieces.Enqueue(source.ReadFileAsync(sha256, asked, (int)Math.Min(Piece, bytes - asked)));
            var piece = await pieces.Dequeue().WaitAsync(PiecePatience, _time);
            if (piece is not { Length: > 0 }) throw new HostFileException("it has no such file.");
            await file.WriteAsync(piece);
            at += piece.Length;
            if (piece.Length < Piece && at < bytes) throw new HostFileException($"its file ends at {at} of {bytes} bytes.");
        }

        await file.FlushAsync();
    }

    /// <summary>Reckons hashes as files come, so that nobody waits for them.</summary>
    private async Task WatchAsync(Func<IEnumerable<ModelConfig>> models, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                var notes = ImmutableDictionary.CreateBuilder<(string, string), FileNote>();
                foreach (var model in models().Where(model => !model.IsExternal))
                {
                    foreach (var (version, path) in FilesOf(model)) notes[(model.Id, version)] = await NoteAsync(version, ShardSet.PathsOf(path), stopping);
                }

                _notes = notes.ToImmutable();
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                LogUnread(logger, exception.Message);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            await Task.WhenAny(Task.Delay(Look, _time, stopping));
        }
    }

    private async Task<FileNote> NoteAsync(string version, string[] paths, CancellationToken cancellationToken)
    {
        var parts = new List<FilePart>();
        foreach (var path in paths) parts.Add(new FilePart { Sha256 = await HashAsync(path, cancellationToken), Bytes = new FileInfo(path).Length });
        return new FileNote { VersionId = version, Sha256 = ShardSet.HashOf(parts), Bytes = parts.Sum(part => part.Bytes), Parts = parts.Count > 1 ? [.. parts] : [] };
    }

    private IEnumerable<(string Version, string Path)> FilesOf(ModelConfig model)
    {
        // Of a split model all files, or it cannot be given.
        if (ShardSet.PathsOf(model.Path).All(File.Exists)) yield return (ModelGrain.FullVersion, model.Path);
        var folder = _state.Of("versions", model.Id);
        foreach (var path in Directory.Exists(folder) ? Directory.EnumerateFiles(folder, "*.gguf") : []) yield return (Path.GetFileNameWithoutExtension(path), path);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The file {Sha256} ({Bytes} bytes) came from {Source}.")]
    private static partial void LogFetched(ILogger logger, string sha256, long bytes, string source);

    [LoggerMessage(Level = LogLevel.Information, Message = "The file {Sha256} is fetched on from {At} of {Bytes} bytes.")]
    private static partial void LogResumed(ILogger logger, string sha256, long at, long bytes);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The file {Sha256} did not come from {Source}: {Reason}")]
    private static partial void LogNotFetched(ILogger logger, string sha256, string source, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A model file could not be read: {Reason}")]
    private static partial void LogUnread(ILogger logger, string reason);
}
