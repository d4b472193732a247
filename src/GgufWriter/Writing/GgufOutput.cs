using Microsoft.Win32.SafeHandles;

namespace FinerCut.Gguf;

/// <summary>The file being written: gathers small pieces, hands large untouched ones to the kernel, counts and can be cancelled between pieces.</summary>
internal sealed class GgufOutput(SafeFileHandle handle, Action<long> progress, CancellationToken cancellationToken)
{
    // Below this a read and a gathered write are cheaper than a system call of its own.
    private const int SmallestKernelCopy = 256 << 10;
    private const int KernelCopyBytes = 32 << 20;
    private const int PushBytes = 32 << 20;

    private readonly byte[] _buffer = new byte[4 << 20];
    private int _buffered;
    private long _pushed;
    private bool _kernelCopies = true;

    /// <summary>Bytes taken so far.</summary>
    public long Position { get; private set; }

    public CancellationToken CancellationToken => cancellationToken;

    public void Write(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_buffered == _buffer.Length) Flush();
            var count = Math.Min(bytes.Length, _buffer.Length - _buffered);
            bytes[..count].CopyTo(_buffer.AsSpan(_buffered));
            _buffered += count;
            Position += count;
            bytes = bytes[count..];
        }
    }

    public void Pad(int alignment)
    {
        Span<byte> zeros = stackalloc byte[64];
        zeros.Clear();
        for (var left = (int)((alignment - (Position % alignment)) % alignment); left > 0; left -= zeros.Length) Write(zeros[..Math.Min(left, zeros.Length)]);
    }

    /// <summary>Copies bytes of a source file, by the kernel where it can.</summary>
    public void Copy(GgufFile source, long offset, long count)
    {
        while (count > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            long done;
            if (_kernelCopies && count >= SmallestKernelCopy)
            {
                Flush();
                done = Posix.CopyRange(source.Handle, offset, handle, Position, Math.Min(count, KernelCopyBytes));
                if (done < 0)
                {
                    _kernelCopies = false;
                    continue;
                }
                if (done == 0) throw Changed(source);
                Position += done;
                Advanced();
            }
            else
            {
                if (_buffered == _buffer.Length) Flush();
                done = Math.Min(count, _buffer.Length - _buffered);
                ReadExactly(source, _buffer.AsSpan(_buffered, (int)done), offset);
                _buffered += (int)done;
                Position += done;
            }
            offset += done;
            count -= done;
        }
    }

    public void Flush()
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_buffered == 0) return;
        RandomAccess.Write(handle, _buffer.AsSpan(0, _buffered), Position - _buffered);
        _buffered = 0;
        Advanced();
    }

    /// <summary>Everything up to <see cref="Position"/> is handed over: lets the disk begin with it, so that syncing at the end finds little left.</summary>
    private void Advanced()
    {
        if (Position - _pushed >= PushBytes)
        {
            Posix.BeginWriteback(handle, _pushed, Position - _pushed);
            _pushed = Position;
        }
        progress(Position);
    }

    public static void ReadExactly(GgufFile source, Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            var read = RandomAccess.Read(source.Handle, destination, offset);
            if (read == 0) throw Changed(source);
            offset += read;
            destination = destination[read..];
        }
    }

    private static GgufWriteException Changed(GgufFile source) =>
        new(GgufWriteCause.SourceChanged, source.Path, $"the source became shorter than the {source.Length} bytes it had when it was opened");
}

internal sealed class OutputStream(GgufOutput output) : Stream
{
    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer) => output.Write(buffer);

    public override void Write(byte[] buffer, int offset, int count) => output.Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
