using System.Buffers;
using FinerCut.Gateway.OpenAi;

namespace FinerCut.Gateway.Routing;

/// <summary>
/// An upstream's server-sent events, passed on untouched as they come, a whole event at the earliest (nobody can use less of one). When the
/// upstream breaks, falls silent or is told to end, the piece of an event that was not passed on is dropped, a typed error event follows and the
/// stream ends cleanly. When the client goes, reading is cancelled as usual. One reader.
/// </summary>
internal sealed class EventStream : Stream
{
    private const int LongestHeldEvent = 64 << 10;

    private readonly Stream _source;
    private readonly Exchange _exchange;
    private readonly TimeSpan _idleTimeout;
    private readonly CancellationToken _client;
    private readonly CancellationTokenSource _idle;
    private readonly CancellationTokenSource _either;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(8 << 10);
    private int _start;
    private int _whole;
    private int _end;
    private bool _finished;
    private bool _insideEvent;

    public EventStream(Stream source, Exchange exchange, TimeSpan idleTimeout, TimeProvider time, CancellationToken client)
    {
        _source = source;
        _exchange = exchange;
        _idleTimeout = idleTimeout;
        _client = client;
        _idle = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(_idle.Token, client, exchange.Upstream.Ended);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Waits for the first event; failures up to here are thrown, since nothing has been passed on yet.</summary>
    public async Task BeginAsync(CancellationToken cancellationToken)
    {
        while (_whole == _start && !_finished) await FillAsync(cancellationToken);
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_whole == _start && !_finished)
        {
            try
            {
                _idle.CancelAfter(_idleTimeout);
                await FillAsync(_either.Token);
                _idle.CancelAfter(Timeout.InfiniteTimeSpan);
            }
            catch (OperationCanceledException) when (!_client.IsCancellationRequested)
            {
                Break(_exchange.Upstream.Ended.IsCancellationRequested ? _exchange.Upstream.EndedBy : FailureKind.IdleTimeout);
            }
            catch (Exception exception) when (exception is IOException or HttpRequestException)
            {
                Break(FailureKind.Died);
            }
        }

        var count = Math.Min(buffer.Length, _whole - _start);
        _buffer.AsSpan(_start, count).CopyTo(buffer.Span);
        _start += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Read this stream asynchronously.");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing && _buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
            _start = _whole = _end = 0;
            _finished = true;
            _either.Dispose();
            _idle.Dispose();
            _source.Dispose();
        }

        base.Dispose(disposing);
    }

    private async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        MakeRoom();
        var read = await _source.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        var from = _whole;
        if (read == 0)
        {
            _finished = true;
            _whole = _end;
        }
        else
        {
            _end += read;
            _whole = Math.Max(_whole, EndOfLastEvent(_buffer.AsSpan(_start, _end - _start)) + _start);
            if (_whole == _start && _end - _start >= LongestHeldEvent) _whole = _end;
            if (_whole > from) _insideEvent = EndOfLastEvent(_buffer.AsSpan(_start, _whole - _start)) != _whole - _start;
        }

        if (_whole > from) Count(_buffer.AsSpan(from, _whole - from));
        if (_whole > from) _exchange.Tap?.Append(_buffer.AsSpan(from, _whole - from));
    }

    /// <summary>An event a token, until one says how many there were.</summary>
    private void Count(ReadOnlySpan<byte> events)
    {
        var usage = _exchange.Usage with { Output = _exchange.Usage.Output + events.Count("\n\n"u8) };
        _exchange.Usage = events.IndexOf("_tokens\""u8) >= 0 && AnswerUsage.In(events) is { Output: > 0 } told ? told : usage;
    }

    private void MakeRoom()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _whole -= _start;
            _start = 0;
        }

        if (_end < _buffer.Length) return;
        var larger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
        _buffer.AsSpan(0, _end).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
    }

    private void Break(FailureKind kind)
    {
        _exchange.Broken = kind;
        var error = ErrorEnvelope.Event(UpstreamFailure.ToError(kind));
        byte[] last = _insideEvent ? [.. "\n\n"u8, .. error] : error;
        if (last.Length > _buffer.Length)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = ArrayPool<byte>.Shared.Rent(last.Length);
        }

        last.CopyTo(_buffer, 0);
        _start = 0;
        _whole = _end = last.Length;
        _finished = true;
    }

    /// <summary>Length up to and including the last empty line, 0 where there is none.</summary>
    internal static int EndOfLastEvent(ReadOnlySpan<byte> bytes)
    {
        var unix = bytes.LastIndexOf("\n\n"u8) is var newline and >= 0 ? newline + 2 : 0;
        var network = bytes.LastIndexOf("\r\n\r\n"u8) is var pair and >= 0 ? pair + 4 : 0;
        return Math.Max(unix, network);
    }
}
