using System.Collections.Immutable;

namespace FinerCut.Gguf;

/// <summary>Checks tensor infos on their own and then against each other: names, shapes, sizes without overflow, places in the data section.</summary>
internal sealed class TensorLayout(Action<GgufDefect> report)
{
    private readonly List<(GgufTensorInfo Info, long OffsetAt)> _sound = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private ImmutableArray<GgufTensorInfo> _placed = [];
    private bool _someUnsized;

    public sealed record Announced(string Name, GgmlType Type, ImmutableArray<long> Shape, ulong Offset);

    /// <summary>The tensors whose data lies in the file.</summary>
    public ImmutableArray<GgufTensorInfo> Placed => _placed;

    /// <summary>Where the file should end.</summary>
    public long PaddedEnd { get; private set; }

    public void Add(Announced tensor, long nameAt, long shapeAt, long typeAt, long offsetAt)
    {
        var size = SizeOf(tensor, shapeAt, typeAt);
        if (!_names.Add(tensor.Name))
        {
            report(new(GgufCause.TensorDuplicate, nameAt, tensor.Name, "the name a second time", "every tensor once"));
            size = null;
        }
        if (tensor.Offset > long.MaxValue)
        {
            report(new(GgufCause.TensorPastEnd, offsetAt, tensor.Name, $"data at {tensor.Offset}", "an offset inside the file"));
            size = null;
        }
        if (size is null) _someUnsized = true;
        else _sound.Add((new(tensor.Name, tensor.Type, tensor.Shape, (long)tensor.Offset, size.Value), offsetAt));
    }

    /// <summary>Compares every offset with where the tensors before it end, padded, and with the end of the file.</summary>
    public void Place(int alignment, long dataOffset, long fileLength)
    {
        var available = fileLength - dataOffset;
        var placed = ImmutableArray.CreateBuilder<GgufTensorInfo>(_sound.Count);
        long expected = 0;
        foreach (var (info, at) in _sound)
        {
            if (info.Offset % alignment != 0)
            {
                report(new(GgufCause.OffsetMisaligned, at, info.Name, $"offset {info.Offset}", $"a multiple of {alignment}"));
            }
            else if (info.Offset < expected)
            {
                report(new(GgufCause.TensorOverlap, at, info.Name, $"offset {info.Offset} inside the data before it", $"{expected}"));
            }
            else if (info.Offset > expected && !_someUnsized)
            {
                report(new(GgufCause.OffsetUnexpected, at, info.Name, $"offset {info.Offset}", $"{expected}, right behind the tensor before it"));
            }
            if (info.ByteCount > long.MaxValue - dataOffset - alignment || info.Offset > long.MaxValue - dataOffset - alignment - info.ByteCount)
            {
                report(new(GgufCause.DataSizeOverflow, at, info.Name, $"{info.ByteCount} bytes at {info.Offset}", "an end below 2^63"));
                continue;
            }
            var end = info.Offset + info.ByteCount;
            if (end > available)
            {
                report(new(GgufCause.TensorPastEnd, at, info.Name, $"{info.ByteCount} bytes at {info.Offset}", $"an end within the {Math.Max(0, available)} bytes of the data section"));
            }
            else
            {
                placed.Add(info);
            }
            expected = Math.Max(expected, (end + alignment - 1) / alignment * alignment);
        }
        _placed = placed.ToImmutable();
        PaddedEnd = dataOffset + expected;
    }

    private long? SizeOf(Announced tensor, long shapeAt, long typeAt)
    {
        for (var i = 0; i < tensor.Shape.Length; i++)
        {
            if (tensor.Shape[i] >= 1) continue;
            report(new(GgufCause.DimensionInvalid, shapeAt + (8 * i), tensor.Name, $"dimension {i} is {tensor.Shape[i]}", "at least 1"));
            return null;
        }
        long elements = 1;
        foreach (var dimension in tensor.Shape)
        {
            if (elements > long.MaxValue / dimension)
            {
                report(new(GgufCause.ElementCountOverflow, shapeAt, tensor.Name, $"[{string.Join(", ", tensor.Shape)}] elements", "less than 2^63"));
                return null;
            }
            elements *= dimension;
        }
        if (!GgmlTypes.TryGet(tensor.Type, out var type))
        {
            report(new(GgufCause.TensorTypeUnknown, typeAt, tensor.Name, $"ggml type {(int)tensor.Type}", "a type of llama.cpp v0.5.0"));
            return null;
        }
        if (tensor.Shape[0] % type.BlockSize != 0)
        {
            report(new(GgufCause.RowNotWholeBlocks, shapeAt, tensor.Name, $"rows of {tensor.Shape[0]} elements", $"a multiple of {type.BlockSize}, the block of {type.Name}"));
            return null;
        }
        var blocks = elements / type.BlockSize;
        if (blocks > long.MaxValue / type.TypeSize)
        {
            report(new(GgufCause.ByteCountOverflow, shapeAt, tensor.Name, $"{blocks} blocks of {type.TypeSize} bytes", "less than 2^63 bytes"));
            return null;
        }
        return blocks * type.TypeSize;
    }
}
