namespace FinerCut.Gguf;

/// <summary>Where a tensor's bytes come from. Nothing is read before the file is written, and then in bounded pieces. Source files must stay open until then.</summary>
public abstract class GgufContent
{
    private protected GgufContent(long length) => Length = length;

    /// <summary>Bytes it will give.</summary>
    public long Length { get; }

    internal abstract void CopyTo(GgufOutput output);

    public static GgufContent Bytes(ReadOnlyMemory<byte> bytes) => new MemoryContent(bytes);

    /// <summary>Bytes made while writing.</summary>
    /// <param name="length">Exactly as many bytes as <paramref name="write"/> will write.</param>
    /// <param name="write">Writes them to the stream; must give the same bytes every time.</param>
    public static GgufContent Streamed(long length, Action<Stream, CancellationToken> write) => new StreamedContent(length, write);

    /// <summary>A whole tensor of a file, untouched.</summary>
    public static GgufContent Tensor(GgufFile file, GgufTensorInfo tensor) => new FileContent(file, tensor, [new(0, tensor.ByteCount)]);

    /// <summary>Byte ranges of a tensor's data, in the given order.</summary>
    public static GgufContent Ranges(GgufFile file, GgufTensorInfo tensor, IReadOnlyList<GgufRange> ranges) => new FileContent(file, tensor, ranges);

    /// <summary>Several contents one after the other, as fused tensors need.</summary>
    public static GgufContent Concat(params IReadOnlyList<GgufContent> parts) => new ConcatContent(parts);
}

internal sealed class MemoryContent(ReadOnlyMemory<byte> bytes) : GgufContent(bytes.Length)
{
    internal override void CopyTo(GgufOutput output) => output.Write(bytes.Span);
}

internal sealed class ConcatContent(IReadOnlyList<GgufContent> parts) : GgufContent(parts.Sum(part => part.Length))
{
    internal override void CopyTo(GgufOutput output)
    {
        foreach (var part in parts) part.CopyTo(output);
    }
}

internal sealed class StreamedContent(long length, Action<Stream, CancellationToken> write) : GgufContent(length)
{
    internal override void CopyTo(GgufOutput output)
    {
        using var stream = new OutputStream(output);
        write(stream, output.CancellationToken);
    }
}

internal sealed class FileContent : GgufContent
{
    private readonly GgufFile _file;
    private readonly GgufTensorInfo _tensor;
    private readonly IReadOnlyList<GgufRange> _ranges;

    public FileContent(GgufFile file, GgufTensorInfo tensor, IReadOnlyList<GgufRange> ranges)
        : base(ranges.Sum(range => range.Count))
    {
        if (ranges.Any(range => range.Start < 0 || range.Count < 0 || range.Start > tensor.ByteCount - range.Count))
        {
            throw new ArgumentOutOfRangeException(nameof(ranges), $"A range ends past the {tensor.ByteCount} bytes of {tensor.Name}.");
        }
        (_file, _tensor, _ranges) = (file, tensor, ranges);
    }

    internal override void CopyTo(GgufOutput output)
    {
        foreach (var range in _ranges) output.Copy(_file, _file.Model.DataOffset + _tensor.Offset + range.Start, range.Count);
    }
}

/// <summary>The same byte ranges of every row: read in runs of rows, gathered, written.</summary>
internal sealed class ColumnContent(GgufFile file, GgufTensorInfo tensor, IReadOnlyList<GgufRange> rangesOfRow)
    : GgufContent(tensor.Rows * rangesOfRow.Sum(range => range.Count))
{
    private const int RunBytes = 4 << 20;

    internal override void CopyTo(GgufOutput output)
    {
        var rowBytes = tensor.RowBytes;
        var start = file.Model.DataOffset + tensor.Offset;
        if (rowBytes > RunBytes)
        {
            for (long row = 0; row < tensor.Rows; row++)
            {
                foreach (var range in rangesOfRow) output.Copy(file, start + (row * rowBytes) + range.Start, range.Count);
            }
            return;
        }
        var buffer = new byte[Math.Min(tensor.Rows, RunBytes / rowBytes) * rowBytes];
        for (long row = 0; row < tensor.Rows;)
        {
            var rows = Math.Min(tensor.Rows - row, buffer.Length / rowBytes);
            var run = buffer.AsSpan(0, (int)(rows * rowBytes));
            GgufOutput.ReadExactly(file, run, start + (row * rowBytes));
            for (var i = 0; i < rows; i++)
            {
                foreach (var range in rangesOfRow) output.Write(run.Slice((int)((i * rowBytes) + range.Start), (int)range.Count));
            }
            row += rows;
        }
    }
}
