using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;

namespace FinerCut.Gguf;

/// <summary>
/// Reads header, key-values and tensor infos. Nothing is used before it was checked against the file's length: counts before loops, lengths before
/// slices, products before multiplying. The first defect throws, unless a list is given that collects them: then reading goes on where it can.
/// </summary>
internal sealed class MetadataParser
{
    public const int MaxKeyBytes = 65535;
    public const int MaxTensorNameBytes = 63;
    public const int MaxKeyCount = 1 << 16;
    public const int MaxTensorCount = 1 << 18;
    public const int MaxTextBytes = 1 << 30;
    public const long MaxArrayCount = 1L << 30;
    public const int DefaultAlignment = 32;
    public const int MinAlignment = 8;
    public const int MaxAlignment = 1 << 20;

    // Smallest encodings: key length, 1 byte, type, 1 byte of value; name length, 1 byte, dimension count, one dimension, type, offset.
    private const int MinKeyValueBytes = 14;
    private const int MinTensorInfoBytes = 33;

    private static readonly UTF8Encoding StrictUtf8 = new(false, true);

    private readonly ReadOnlyMemory<byte> _head;
    private readonly long _fileLength;
    private readonly IList<GgufDefect>? _defects;
    private int _position;

    private MetadataParser(ReadOnlyMemory<byte> head, long fileLength, IList<GgufDefect>? defects)
    {
        _head = head;
        _fileLength = fileLength;
        _defects = defects;
    }

    private long Remaining => _fileLength - _position;

    /// <summary>The model; with <paramref name="defects"/> given it holds what could be read of a broken file.</summary>
    public static GgufModel Parse(ReadOnlyMemory<byte> head, long fileLength, IList<GgufDefect>? defects)
    {
        var parser = new MetadataParser(head, fileLength, defects);
        return parser.Run();
    }

    private GgufModel Run()
    {
        var keyValues = ImmutableArray.CreateBuilder<GgufKeyValue>();
        var layout = new TensorLayout(Report);
        uint version = 0;
        var alignment = DefaultAlignment;
        long dataOffset = 0;
        try
        {
            version = ReadVersion();
            var tensorCount = ReadCount(GgufCause.TensorCountInvalid, "tensors", MinTensorInfoBytes, MaxTensorCount);
            var keyCount = ReadCount(GgufCause.KeyCountInvalid, "key-values", MinKeyValueBytes, MaxKeyCount);
            ReadKeyValues(keyCount, keyValues);
            alignment = AlignmentOf(keyValues);
            for (var i = 0; i < tensorCount; i++) ReadTensor(layout);
            // Without tensors there is no data section, hence no padding either.
            dataOffset = tensorCount == 0 ? _position : (_position + alignment - 1L) / alignment * alignment;
            layout.Place(alignment, dataOffset, _fileLength);
            if (_defects is not null && _fileLength > layout.PaddedEnd)
            {
                Report(new(GgufCause.TrailingBytes, layout.PaddedEnd, null, $"{_fileLength - layout.PaddedEnd} bytes after the last tensor", "the end of the file"));
            }
        }
        catch (GgufException) when (_defects is not null)
        {
            // Reported already; nothing behind an unreadable length can be found again.
        }
        return new(version, alignment, dataOffset, keyValues.ToImmutable(), layout.Placed);
    }

    private uint ReadVersion()
    {
        if (_fileLength < 4 || !Take(4, "the magic").SequenceEqual("GGUF"u8))
        {
            throw Fatal(GgufCause.NotGguf, 0, null, "another file", "the four letters GGUF");
        }
        var version = ReadUInt32("the version");
        if (version is 2 or 3) return version;
        // The lower half of a small number written by the other kind of machine is zero.
        if (version != 0 && (version & 0xFFFF) == 0)
        {
            throw Fatal(GgufCause.BigEndian, 4, null, $"version {BinaryPrimitives.ReverseEndianness(version)}, big-endian", "a little-endian file");
        }
        throw Fatal(GgufCause.VersionUnsupported, 4, null, $"version {version}", "version 2 or 3");
    }

    private int ReadCount(GgufCause cause, string what, int smallest, int most)
    {
        var at = _position;
        var count = (long)ReadUInt64($"the number of {what}");
        if (count < 0 || count > most) throw Fatal(cause, at, null, $"{(ulong)count} {what}", $"0 to {most}");
        if (count > Remaining / smallest)
        {
            throw Fatal(cause, at, null, $"{count} {what}", $"at most {Remaining / smallest} in the {Remaining} bytes that follow");
        }
        return (int)count;
    }

    private void ReadKeyValues(int count, ImmutableArray<GgufKeyValue>.Builder keyValues)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            var at = _position;
            var key = ReadName(GgufCause.KeyInvalid, "a key", null, GgufCause.KeyTooLong, MaxKeyBytes);
            if (key.Length == 0) Report(new(GgufCause.KeyEmpty, at, null, $"key {i} is empty", "a name"));
            var value = ReadValue(key);
            if (!seen.Add(key)) Report(new(GgufCause.KeyDuplicate, at, key, "the key a second time", "every key once"));
            else keyValues.Add(new(key, value));
        }
    }

    private GgufValue ReadValue(string key)
    {
        var type = ReadValueType(key);
        if (type != GgufValueType.Array)
        {
            var at = _position;
            var single = Slice(type, 1, key);
            if (type == GgufValueType.Bool && single.Span[0] > 1)
            {
                Report(new(GgufCause.BoolInvalid, at, key, $"the byte {single.Span[0]}", "0 or 1"));
            }
            return new(type, false, 1, single);
        }
        var elementType = ReadValueType(key);
        if (elementType == GgufValueType.Array) throw Fatal(GgufCause.ArrayNested, _position - 4, key, "an array of arrays", "an array of plain values");
        var countAt = _position;
        var count = ReadUInt64("an array's length", key);
        var smallest = Math.Max(GgufValueTypes.SizeOf(elementType), elementType == GgufValueType.String ? 8 : 0);
        if (count > (ulong)(Remaining / smallest))
        {
            throw Fatal(GgufCause.ArrayPastEnd, countAt, key, $"{count} elements", $"at most {Remaining / smallest} in the {Remaining} bytes that follow");
        }
        if (count > MaxArrayCount) throw Fatal(GgufCause.ArrayTooLong, countAt, key, $"{count} elements", $"at most {MaxArrayCount}");
        return new(elementType, true, (long)count, Slice(elementType, (long)count, key));
    }

    private GgufValueType ReadValueType(string key)
    {
        var at = _position;
        var type = (GgufValueType)ReadUInt32("a value type", key);
        if (GgufValueTypes.SizeOf(type) < 0) throw Fatal(GgufCause.ValueTypeUnknown, at, key, $"value type {(int)type}", "0 to 12");
        return type;
    }

    private ReadOnlyMemory<byte> Slice(GgufValueType type, long count, string key)
    {
        var start = _position;
        if (type == GgufValueType.String)
        {
            for (long i = 0; i < count; i++) SkipText(key);
        }
        else
        {
            Take(GgufValueTypes.SizeOf(type) * count, "a value", key);
        }
        return _head[start.._position];
    }

    private void SkipText(string key)
    {
        var at = _position;
        var length = ReadUInt64("a text's length", key);
        if (length > (ulong)Remaining) throw Fatal(GgufCause.StringPastEnd, at, key, $"a text of {length} bytes", $"at most the {Remaining} bytes that follow");
        if (length > MaxTextBytes) throw Fatal(GgufCause.StringTooLong, at, key, $"a text of {length} bytes", $"at most {MaxTextBytes}");
        Take((long)length, "a text", key);
    }

    /// <summary>A length-prefixed name: bounded, UTF-8, no NUL (C code would see another, shorter name).</summary>
    private string ReadName(GgufCause invalid, string what, string? owner, GgufCause tooLong, int most)
    {
        var at = _position;
        var length = ReadUInt64($"the length of {what}", owner);
        if (length > (ulong)Remaining) throw Fatal(GgufCause.StringPastEnd, at, owner, $"{what} of {length} bytes", $"at most the {Remaining} bytes that follow");
        if (length > (ulong)most)
        {
            Report(new(tooLong, at, owner, $"{what} of {length} bytes", $"at most {most}"));
            if (length > MaxKeyBytes) throw new GgufException(new(tooLong, at, owner, $"{what} of {length} bytes", $"at most {most}"));
        }
        var bytes = Take((long)length, what, owner);
        string? name = null;
        try
        {
            name = StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            Report(new(invalid, at, null, $"{what} that is no UTF-8", "UTF-8"));
        }
        name ??= Encoding.UTF8.GetString(bytes);
        if (name.Contains('\0', StringComparison.Ordinal)) Report(new(invalid, at, name, $"{what} with a NUL byte", "no NUL"));
        return name;
    }

    private void ReadTensor(TensorLayout layout)
    {
        var at = _position;
        var name = ReadName(GgufCause.TensorNameInvalid, "a tensor name", null, GgufCause.TensorNameInvalid, MaxTensorNameBytes);
        if (name.Length == 0) Report(new(GgufCause.TensorNameInvalid, at, null, "an empty tensor name", "1 to 63 bytes"));
        var dimensionsAt = _position;
        var dimensionCount = ReadUInt32("the number of dimensions", name);
        if (dimensionCount is 0 or > 4)
        {
            throw Fatal(GgufCause.DimensionCountInvalid, dimensionsAt, name, $"{dimensionCount} dimensions", "1 to 4");
        }
        var shape = ImmutableArray.CreateBuilder<long>((int)dimensionCount);
        for (var i = 0; i < dimensionCount; i++) shape.Add((long)ReadUInt64("a dimension", name));
        var typeAt = _position;
        var type = (GgmlType)ReadUInt32("a tensor type", name);
        var offsetAt = _position;
        var offset = ReadUInt64("a tensor offset", name);
        layout.Add(new(name, type, shape.MoveToImmutable(), offset), at, dimensionsAt + 4, typeAt, offsetAt);
    }

    private int AlignmentOf(ImmutableArray<GgufKeyValue>.Builder keyValues)
    {
        var value = keyValues.FirstOrDefault(kv => kv.Key == GgufKeys.Alignment)?.Value;
        if (value is null) return DefaultAlignment;
        if (value.IsArray || value.ElementType != GgufValueType.UInt32)
        {
            Report(new(GgufCause.AlignmentType, null, GgufKeys.Alignment, value.TypeName, "u32"));
            return DefaultAlignment;
        }
        var alignment = value.Get<uint>();
        if (alignment is >= MinAlignment and <= MaxAlignment && uint.IsPow2(alignment)) return (int)alignment;
        Report(new(GgufCause.AlignmentInvalid, null, GgufKeys.Alignment, $"{alignment}", $"a power of two from {MinAlignment} to {MaxAlignment}"));
        return DefaultAlignment;
    }

    private uint ReadUInt32(string what, string? name = null) => BinaryPrimitives.ReadUInt32LittleEndian(Take(4, what, name));

    private ulong ReadUInt64(string what, string? name = null) => BinaryPrimitives.ReadUInt64LittleEndian(Take(8, what, name));

    private ReadOnlySpan<byte> Take(long count, string what, string? name = null)
    {
        if (count > Remaining)
        {
            throw Fatal(GgufCause.Truncated, _position, name, $"the file ends inside {what}", $"{count} bytes, {Remaining} are left");
        }
        if (count > _head.Length - _position)
        {
            throw Fatal(GgufCause.MetadataTooLarge, _position, name, $"metadata beyond {_head.Length} bytes", "less than 2 GiB");
        }
        var taken = _head.Span.Slice(_position, (int)count);
        _position += (int)count;
        return taken;
    }

    private void Report(GgufDefect defect)
    {
        if (_defects is null || _defects.Count >= GgufCheck.MaxDefects) throw new GgufException(defect);
        _defects.Add(defect);
    }

    private GgufException Fatal(GgufCause cause, long at, string? name, string found, string expected)
    {
        var defect = new GgufDefect(cause, at, name, found, expected);
        _defects?.Add(defect);
        return new(defect);
    }
}
