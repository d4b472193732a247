namespace FinerCut.Gateway.Access.Metering;

/// <summary>
/// Passes an answer on and reads its usage on the way. What an answer used is settled before its last bytes go out: a client that has a whole
/// answer has paid for it and has its place back, whatever happens to this process a moment later. One writer.
/// </summary>
/// <param name="begin">Called once, at the first byte: the scanner (null where nothing is to be read) and the length of the answer, where it is known.</param>
/// <param name="settle">Makes the usage so far durable; told whether these are the last bytes.</param>
internal sealed class MeteredBody(Stream inner, Func<(UsageScanner? Scanner, long? Length)> begin, Func<UsageScanner, bool, Task> settle) : Stream
{
    private UsageScanner? _scanner;
    private long? _length;
    private long _written;
    private bool _began;
    private bool _charged;
    private bool _ended;

    public UsageScanner? Scanner => _scanner;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!_began)
        {
            _began = true;
            (_scanner, _length) = begin();
        }

        if (_scanner is not null && !_ended)
        {
            _scanner.Append(buffer.Span);
            _written += buffer.Length;
            _ended = _scanner.IsDone || _written >= _length;
            if (_ended || (_scanner.IsFinal && !_charged))
            {
                _charged = true;
                await settle(_scanner, _ended).ConfigureAwait(false);
            }
        }

        await inner.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override void Flush() => throw new NotSupportedException("Answers are written asynchronously.");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Answers are written asynchronously.");

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
