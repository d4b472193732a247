using System.Buffers;
using FinerCut.Gateway.OpenAi;
using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.Routing;

/// <summary>
/// A request's body, read once into pooled memory and replayed untouched for every attempt. Owned by one request; dispose returns the memory,
/// so nothing may keep <see cref="Bytes"/> past that.
/// </summary>
public sealed class RequestBody : IDisposable
{
    private byte[] _buffer;
    private int _length;

    private RequestBody(int capacity) => _buffer = ArrayPool<byte>.Shared.Rent(capacity);

    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length);

    /// <summary>A body longer than the limit is refused without being held.</summary>
    public static async ValueTask<(RequestBody? Body, ApiError? Error)> ReadAsync(HttpRequest request, long limit, CancellationToken cancellationToken)
    {
        if (request.ContentLength > limit) return (null, TooLarge(limit));
        var body = new RequestBody((int)(request.ContentLength ?? 4096) + 1);
        try
        {
            while (true)
            {
                if (body._length == body._buffer.Length) body.Grow();
                var read = await request.Body.ReadAsync(body._buffer.AsMemory(body._length), cancellationToken);
                if (read == 0) return (body, null);
                body._length += read;
                if (body._length <= limit) continue;
                body.Dispose();
                return (null, TooLarge(limit));
            }
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    /// <summary>A fresh reading stream over the same bytes.</summary>
    public Stream Open() => new MemoryStream(_buffer, 0, _length, writable: false);

    public void Dispose()
    {
        if (_buffer.Length > 0) ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _length = 0;
    }

    private void Grow()
    {
        var larger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
        _buffer.AsSpan(0, _length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
    }

    private static ApiError TooLarge(long limit) =>
        new(StatusCodes.Status413PayloadTooLarge, $"The body is larger than {limit} bytes (Forwarding:MaxBodyBytes).", "invalid_request_error", "body_too_large");
}
