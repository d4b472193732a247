using System.Net;
using System.Net.Http.Headers;
using FinerCut.Gateway.Storage;
using FinerCut.Gguf;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Commands.Downloads;

/// <param name="Total">Null where the server does not say.</param>
public sealed record DownloadProgress(long Done, long? Total, double BytesPerSecond)
{
    public TimeSpan? Eta => Total is { } total && BytesPerSecond > 0 ? TimeSpan.FromSeconds((total - Done) / BytesPerSecond) : null;
}

public sealed class DownloadException(string message, int exitCode, Exception? inner = null) : Exception(message, inner)
{
    public int ExitCode { get; } = exitCode;
}

/// <summary>
/// Fetches one GGUF file. It grows as TARGET.part, next to TARGET.part.etag with the server's word for its content; a later run asks for the rest only,
/// and only of the same content. The file gets its name once it is whole, has the hash that was asked for, and is sound by <see cref="GgufCheck"/>.
/// </summary>
public sealed class ModelDownload(HttpClient http, TimeProvider time)
{
    private const int Tries = 5;
    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Told = TimeSpan.FromMilliseconds(250);

    /// <returns>SHA-256 of the file, in lower case.</returns>
    /// <exception cref="DownloadException">Refused, no room, wrong content; what has come stays for the next run where it is of use.</exception>
    public async Task<string> RunAsync(Uri source, string target, string? sha256, IProgress<DownloadProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(progress);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        var part = target + ".part";
        if (!File.Exists(target)) await FetchAsync(source, part, progress, cancellationToken);
        return await AcceptAsync(target, sha256, cancellationToken);
    }

    /// <summary>Copies a file that is on this machine already, and checks it in the same way.</summary>
    /// <returns>SHA-256 of the file, in lower case.</returns>
    /// <exception cref="DownloadException">The target exists, there is no room, or the file is not what it should be.</exception>
    public async Task<string> ImportAsync(string source, string target, string? sha256, IProgress<DownloadProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(progress);
        if (File.Exists(target)) throw new DownloadException($"{target} exists already: choose another folder with --output, or delete it.", ExitCode.BadInput);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        var part = target + ".part";
        try
        {
            await using var from = File.OpenRead(source);
            RequireRoom(part, from.Length);
            await using var to = new FileStream(part, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16);
            await CopyAsync(from, to, 0, from.Length, progress, cancellationToken);
            to.Flush(flushToDisk: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            File.Delete(part);
            throw new DownloadException($"{source}: {exception.Message}", exception.HResult == unchecked((int)0x80070070) ? ExitCode.DiskFull : ExitCode.BadInput, exception);
        }

        return await AcceptAsync(target, sha256, cancellationToken);
    }

    /// <summary>Gives the part its name once it has the hash that was asked for and is sound.</summary>
    private static async Task<string> AcceptAsync(string target, string? sha256, CancellationToken cancellationToken)
    {
        var part = target + ".part";
        var whole = File.Exists(target) ? target : part;
        var hash = await FileHashes.OfAsync(whole, cancellationToken);
        if (sha256 is not null && !string.Equals(hash, sha256, StringComparison.OrdinalIgnoreCase))
        {
            if (whole == part) File.Delete(part);
            throw new DownloadException($"{target}: the SHA-256 is {hash}, not {sha256.ToLowerInvariant()}. {(whole == part ? "What came was deleted" : "The file stays as it is")}; check the address and the hash.", ExitCode.Failed);
        }

        if (GgufCheck.Check(whole).Defects is { Count: > 0 } defects)
        {
            throw new DownloadException($"{whole} is not a sound GGUF file: {defects[0]} ({defects.Count} defects; finercut gguf check lists them). It was left for inspection.", ExitCode.Failed);
        }

        if (whole == part) File.Move(part, target);
        File.Delete(part + ".etag");
        return hash;
    }

    private async Task FetchAsync(Uri source, string part, IProgress<DownloadProgress> progress, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                if (await TryAsync(source, part, progress, cancellationToken)) return;
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested && exception is HttpRequestException or HttpIOException or OperationCanceledException or IOException { InnerException: System.Net.Sockets.SocketException })
            {
                if (attempt == Tries) throw new DownloadException($"{source}: broken off {Tries} times ({exception.Message}). The same command goes on where this one stopped.", ExitCode.Unreachable, exception);
            }
            catch (IOException exception)
            {
                throw new DownloadException($"{part}: {exception.Message} The same command goes on where this one stopped.", exception.HResult == unchecked((int)0x80070070) ? ExitCode.DiskFull : ExitCode.Failed, exception);
            }

            await Task.Delay(TimeSpan.FromSeconds(Math.Pow(2, attempt - 1)), time, cancellationToken);
        }
    }

    /// <summary>True once the part is whole; false when the server asks to come again.</summary>
    private async Task<bool> TryAsync(Uri source, string part, IProgress<DownloadProgress> progress, CancellationToken cancellationToken)
    {
        var tag = File.Exists(part + ".etag") ? await File.ReadAllTextAsync(part + ".etag", cancellationToken) : null;
        var have = tag is not null && File.Exists(part) ? new FileInfo(part).Length : 0;
        using var request = new HttpRequestMessage(HttpMethod.Get, source);
        if (have > 0)
        {
            request.Headers.Range = new RangeHeaderValue(have, null);
            request.Headers.IfRange = RangeConditionHeaderValue.Parse(tag!);
        }

        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable && response.Content.Headers.ContentRange?.Length == have) return true;
        if (response.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests) throw new HttpRequestException($"The server answered {(int)response.StatusCode}.");
        if (!response.IsSuccessStatusCode) throw new DownloadException($"{source}: the server answered {(int)response.StatusCode} {response.ReasonPhrase}.", ExitCode.BadInput);
        if (response.StatusCode != HttpStatusCode.PartialContent) have = 0;
        else if (response.Content.Headers.ContentRange?.From != have) throw new DownloadException($"{source}: asked for the bytes from {have} on, the server sent others ({response.Content.Headers.ContentRange}). Delete {part} and try again.", ExitCode.Failed);
        var total = have + response.Content.Headers.ContentLength;
        RequireRoom(part, total - have);
        if (response.Headers.ETag is { IsWeak: false } now) await File.WriteAllTextAsync(part + ".etag", now.ToString(), cancellationToken);
        else File.Delete(part + ".etag");
        await using var file = new FileStream(part, have > 0 ? FileMode.Append : FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await CopyAsync(stream, file, have, total, progress, cancellationToken);
        file.Flush(flushToDisk: true);
        return total is null || file.Length == total ? true : throw new HttpRequestException($"{file.Length} of {total} bytes came.");
    }

    private async Task CopyAsync(Stream stream, FileStream file, long have, long? total, IProgress<DownloadProgress> progress, CancellationToken cancellationToken)
    {
        var buffer = new byte[1 << 18];
        var (began, done) = (time.GetTimestamp(), have);
        long? told = null;
        using var stalled = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        while (true)
        {
            stalled.CancelAfter(Stall);
            var read = await stream.ReadAsync(buffer, stalled.Token);
            if (read == 0) break;
            await file.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            done += read;
            if (told is { } last && time.GetElapsedTime(last) < Told && done != total) continue;
            told = time.GetTimestamp();
            progress.Report(new DownloadProgress(done, total, (done - have) / Math.Max(time.GetElapsedTime(began).TotalSeconds, 1e-3)));
        }
    }

    private static void RequireRoom(string part, long? needed)
    {
        if (needed is not { } bytes) return;
        var free = new DriveInfo(Path.GetDirectoryName(Path.GetFullPath(part))!).AvailableFreeSpace;
        if (free < bytes) throw new DownloadException($"{Path.GetDirectoryName(part)}: {bytes / 1e6:F0} MB are still to come, {free / 1e6:F0} MB are free. Make room or choose another folder with --output.", ExitCode.DiskFull);
    }
}
