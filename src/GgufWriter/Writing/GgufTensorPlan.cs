using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace FinerCut.Gguf;

/// <summary>A tensor of a file to be written: what it will be, and where its bytes come from. Immutable.</summary>
public sealed record GgufTensorPlan
{
    /// <exception cref="GgufWriteException">The content has another length than type and shape ask for.</exception>
    public GgufTensorPlan(string name, GgmlType type, ImmutableArray<long> shape, GgufContent content)
    {
        (Name, Type, Shape, Content) = (name, type, shape, content);
        var bytes = GgmlTypes.ByteCount(type, shape.AsSpan());
        if (content.Length != bytes)
        {
            throw new GgufWriteException(GgufWriteCause.ContentLength, name, $"the content has {content.Length} bytes, {GgmlTypes.Of(type).Name} [{string.Join(", ", shape)}] has {bytes}");
        }
    }

    public string Name { get; init; }

    public GgmlType Type { get; }

    /// <summary>The contiguous dimension (columns) first.</summary>
    public ImmutableArray<long> Shape { get; }

    public GgufContent Content { get; }

    /// <summary>A tensor of a file as it is.</summary>
    public static GgufTensorPlan Whole(GgufFile file, GgufTensorInfo tensor) => new(tensor.Name, tensor.Type, tensor.Shape, GgufContent.Tensor(file, tensor));

    /// <summary>A small new tensor of F32.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="shape">Columns first.</param>
    /// <param name="values">Row by row.</param>
    public static GgufTensorPlan Floats(string name, ImmutableArray<long> shape, ReadOnlySpan<float> values) =>
        new(name, GgmlType.F32, shape, GgufContent.Bytes(MemoryMarshal.AsBytes(values).ToArray()));

    /// <summary>
    /// Keeps ranges of one dimension, in the given order, without requantising. Dimension 0 (columns) can be cut between blocks of the type only;
    /// the others (rows, experts) anywhere.
    /// </summary>
    /// <exception cref="GgufWriteException">Columns were cut inside a block; the message names the nearest columns that can be.</exception>
    public static GgufTensorPlan Keep(GgufFile file, GgufTensorInfo tensor, int dimension, IReadOnlyList<GgufRange> kept)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)dimension, (uint)tensor.Shape.Length, nameof(dimension));
        foreach (var range in kept)
        {
            if (range.Start < 0 || range.Count < 1 || range.Start > tensor.Shape[dimension] - range.Count)
            {
                throw new GgufWriteException(GgufWriteCause.RangeInvalid, tensor.Name, $"{range} is no part of dimension {dimension}, which has {tensor.Shape[dimension]}");
            }
        }
        var count = kept.Sum(range => range.Count);
        if (count == 0) throw new GgufWriteException(GgufWriteCause.RangeInvalid, tensor.Name, "nothing of it would be kept; drop the tensor instead");
        var shape = tensor.Shape.SetItem(dimension, count);
        return new(tensor.Name, tensor.Type, shape, dimension == 0 ? Columns(file, tensor, kept) : Slices(file, tensor, dimension, kept));
    }

    /// <summary>
    /// Keeps any columns, also such as cut through blocks, by decoding the tensor and encoding it as <paramref name="type"/>: the values change by that
    /// type's rounding. Row by row, so memory stays small.
    /// </summary>
    /// <exception cref="GgufWriteException">The type at hand cannot be decoded, <paramref name="type"/> cannot be encoded, or the columns kept are no whole blocks of it.</exception>
    public static GgufTensorPlan KeepRequantised(GgufFile file, GgufTensorInfo tensor, IReadOnlyList<GgufRange> keptColumns, GgmlType type)
    {
        if (!GgmlDecoder.CanDecode(tensor.Type) || !GgmlEncoder.CanEncode(type))
        {
            throw new GgufWriteException(GgufWriteCause.RangeInvalid, tensor.Name, $"{GgmlTypes.Of(tensor.Type).Name} to {GgmlTypes.Of(type).Name} is no conversion that we make");
        }
        if (keptColumns.Any(range => range.Start < 0 || range.Count < 1 || range.Start > tensor.Columns - range.Count))
        {
            throw new GgufWriteException(GgufWriteCause.RangeInvalid, tensor.Name, $"a range is no part of its {tensor.Columns} columns");
        }
        var columns = keptColumns.Sum(range => range.Count);
        if (columns == 0 || columns % GgmlTypes.Of(type).BlockSize != 0)
        {
            throw new GgufWriteException(GgufWriteCause.ColumnsMisaligned, tensor.Name, $"{columns} columns are no whole blocks of {GgmlTypes.Of(type).Name}, which are {GgmlTypes.Of(type).BlockSize} wide");
        }
        var shape = tensor.Shape.SetItem(0, columns);
        return new(tensor.Name, type, shape, new RequantisedContent(file, tensor, keptColumns, type));
    }

    private static ColumnContent Columns(GgufFile file, GgufTensorInfo tensor, IReadOnlyList<GgufRange> kept)
    {
        var type = GgmlTypes.Of(tensor.Type);
        foreach (var range in kept)
        {
            if (range.Start % type.BlockSize == 0 && range.End % type.BlockSize == 0) continue;
            throw new GgufWriteException(GgufWriteCause.ColumnsMisaligned, tensor.Name,
                $"columns {range} cut through blocks of {type.Name}, which are {type.BlockSize} wide; nearest: {Nearest(range, type.BlockSize, tensor.Columns)}");
        }
        return new(file, tensor, [.. kept.Select(range => new GgufRange(range.Start / type.BlockSize * type.TypeSize, range.Count / type.BlockSize * type.TypeSize))]);
    }

    private static string Nearest(GgufRange range, int block, long columns)
    {
        var outer = new GgufRange(range.Start / block * block, 0);
        outer = outer with { Count = Math.Min((range.End + block - 1) / block * block, columns) - outer.Start };
        var innerStart = (range.Start + block - 1) / block * block;
        var innerEnd = range.End / block * block;
        return innerEnd > innerStart ? $"{new GgufRange(innerStart, innerEnd - innerStart)} or {outer}" : $"{outer}";
    }

    private static GgufContent Slices(GgufFile file, GgufTensorInfo tensor, int dimension, IReadOnlyList<GgufRange> kept)
    {
        var stride = tensor.RowBytes;
        for (var i = 1; i < dimension; i++) stride *= tensor.Shape[i];
        var repeat = stride * tensor.Shape[dimension];
        var ranges = new List<GgufRange>();
        for (long start = 0; start < tensor.ByteCount; start += repeat)
        {
            foreach (var range in kept) ranges.Add(new(start + (range.Start * stride), range.Count * stride));
        }
        return GgufContent.Ranges(file, tensor, ranges);
    }
}
