using System.Buffers;
using System.IO.MemoryMappedFiles;

namespace FinerCut.Gguf;

/// <summary>
/// A file mapped read-only. Spans of it are checked against the length known at opening; a file that another process truncates meanwhile is
/// beyond a mapping's protection (SIGBUS), so bytes are copied by reads, not through the mapping.
/// </summary>
internal sealed unsafe class MappedBytes : MemoryManager<byte>
{
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly long _length;
    private byte* _start;

    public MappedBytes(FileStream file, long length)
    {
        _length = length;
        _map = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        _view = _map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
        _start += _view.PointerOffset;
    }

    /// <summary>As much of the file as one Memory can hold: all metadata lies in it.</summary>
    public override Memory<byte> Memory => CreateMemory((int)Math.Min(_length, int.MaxValue));

    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_start is null, typeof(GgufFile));
        return new(_start, (int)Math.Min(_length, int.MaxValue));
    }

    public ReadOnlySpan<byte> Slice(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(_start is null, typeof(GgufFile));
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, _length - length);
        return new(_start + offset, length);
    }

    public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (_start is null) return;
        _start = null;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }
}
