using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace FinerCut.Gguf;

/// <summary>
/// A value or array of values, kept as the file encodes it: a value of a mapped file costs nothing until it is read, whatever its length,
/// and is written back byte for byte. Immutable; a value of a file may be read until that <see cref="GgufFile"/> is disposed.
/// </summary>
public sealed class GgufValue : IEquatable<GgufValue>
{
    internal GgufValue(GgufValueType elementType, bool isArray, long count, ReadOnlyMemory<byte> encoded)
    {
        ElementType = elementType;
        IsArray = isArray;
        Count = count;
        Encoded = encoded;
    }

    /// <summary>Type of the value, of one element for arrays. Never <see cref="GgufValueType.Array"/>: arrays do not nest.</summary>
    public GgufValueType ElementType { get; }

    public bool IsArray { get; }

    /// <summary>Number of elements, 1 for single values.</summary>
    public long Count { get; }

    /// <summary>The payload as in the file: little-endian numbers, strings as a u64 length and UTF-8, array elements one after the other.</summary>
    public ReadOnlyMemory<byte> Encoded { get; }

    /// <summary>f32, or [f32; 8].</summary>
    public string TypeName => IsArray ? $"[{GgufValueTypes.NameOf(ElementType)}; {Count}]" : GgufValueTypes.NameOf(ElementType);

    public bool IsText => !IsArray && ElementType == GgufValueType.String;

    public bool IsInteger => !IsArray && GgufValueTypes.IsInteger(ElementType);

    /// <summary>A single number or bool.</summary>
    public static GgufValue Of<T>(T value)
        where T : unmanaged => new(GgufValueTypes.Of<T>(), false, 1, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)).ToArray());

    public static GgufValue Of(string text) => new(GgufValueType.String, false, 1, Encode([text]));

    public static GgufValue ArrayOf<T>(params ReadOnlySpan<T> values)
        where T : unmanaged => new(GgufValueTypes.Of<T>(), true, values.Length, MemoryMarshal.AsBytes(values).ToArray());

    public static GgufValue ArrayOf(IReadOnlyCollection<string> texts) => new(GgufValueType.String, true, texts.Count, Encode(texts));

    /// <summary>Strings as raw bytes: token texts need not be UTF-8.</summary>
    public static GgufValue ArrayOf(IReadOnlyCollection<ReadOnlyMemory<byte>> utf8Texts)
    {
        var encoded = new MemoryStream();
        foreach (var text in utf8Texts) Append(encoded, text.Span);
        return new(GgufValueType.String, true, utf8Texts.Count, encoded.ToArray());
    }

    public static implicit operator GgufValue(uint value) => Of(value);

    public static implicit operator GgufValue(int value) => Of(value);

    public static implicit operator GgufValue(float value) => Of(value);

    public static implicit operator GgufValue(bool value) => Of(value);

    public static implicit operator GgufValue(string text) => Of(text);

    /// <summary>The single value, of exactly this type.</summary>
    /// <exception cref="InvalidOperationException">It is of another type.</exception>
    public T Get<T>()
        where T : unmanaged
    {
        Require(!IsArray && ElementType == GgufValueTypes.Of<T>(), typeof(T).Name);
        return MemoryMarshal.Read<T>(Encoded.Span);
    }

    /// <summary>The single text; bytes that are not UTF-8 become U+FFFD.</summary>
    /// <exception cref="InvalidOperationException">It is no text.</exception>
    public string GetText()
    {
        Require(IsText, "a text");
        return Encoding.UTF8.GetString(Encoded.Span[8..]);
    }

    /// <summary>The single integer of whatever width.</summary>
    /// <exception cref="InvalidOperationException">It is no integer, or above 2^63.</exception>
    public long GetInteger()
    {
        Require(IsInteger, "an integer");
        return IntegerAt(0);
    }

    /// <summary>The single number of whatever type.</summary>
    public double GetNumber()
    {
        Require(!IsArray, "a number");
        return ElementType switch
        {
            GgufValueType.Float32 => Get<float>(),
            GgufValueType.Float64 => Get<double>(),
            _ => GetInteger(),
        };
    }

    /// <summary>The elements without copying; of exactly this type.</summary>
    public ReadOnlySpan<T> GetElements<T>()
        where T : unmanaged
    {
        Require(ElementType == GgufValueTypes.Of<T>(), $"elements of {typeof(T).Name}");
        return MemoryMarshal.Cast<byte, T>(Encoded.Span);
    }

    /// <summary>The integers of an array, or the single one as an array of one.</summary>
    public long[] GetIntegers()
    {
        Require(GgufValueTypes.IsInteger(ElementType) && Count <= Array.MaxLength, "integers");
        var result = new long[Count];
        for (var i = 0; i < result.Length; i++) result[i] = IntegerAt(i);
        return result;
    }

    /// <summary>An array of some of the elements, in the given order.</summary>
    /// <exception cref="InvalidOperationException">It is no array of numbers.</exception>
    public GgufValue Pick(IReadOnlyCollection<int> indices)
    {
        Require(IsArray && ElementType != GgufValueType.String, "an array of numbers");
        var size = GgufValueTypes.SizeOf(ElementType);
        var picked = new MemoryStream(indices.Count * size);
        foreach (var index in indices) picked.Write(Encoded.Span.Slice(index * size, size));
        return new(ElementType, true, indices.Count, picked.ToArray());
    }

    /// <summary>The strings one after the other, read as they are asked for; bytes that are not UTF-8 become U+FFFD.</summary>
    public IEnumerable<string> GetTexts() => GetUtf8Texts().Select(text => Encoding.UTF8.GetString(text.Span));

    /// <summary>The strings' bytes, zero-copy.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> GetUtf8Texts()
    {
        Require(ElementType == GgufValueType.String, "texts");
        return Walk();

        IEnumerable<ReadOnlyMemory<byte>> Walk()
        {
            var rest = Encoded;
            for (long i = 0; i < Count; i++)
            {
                var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(rest.Span);
                yield return rest.Slice(8, length);
                rest = rest[(8 + length)..];
            }
        }
    }

    public bool Equals(GgufValue? other) => other is not null && ElementType == other.ElementType && IsArray == other.IsArray
        && Count == other.Count && Encoded.Span.SequenceEqual(other.Encoded.Span);

    public override bool Equals(object? obj) => Equals(obj as GgufValue);

    public override int GetHashCode() => HashCode.Combine(ElementType, IsArray, Count);

    /// <summary>For people: numbers and texts as they are, arrays as their type.</summary>
    public override string ToString() => this switch
    {
        { IsArray: true } => TypeName,
        { ElementType: GgufValueType.String } => GetText(),
        { ElementType: GgufValueType.Bool } => Encoded.Span[0] != 0 ? "true" : "false",
        { ElementType: GgufValueType.UInt64 } => Get<ulong>().ToString(CultureInfo.InvariantCulture),
        { ElementType: GgufValueType.Float32 } => Get<float>().ToString("R", CultureInfo.InvariantCulture),
        { ElementType: GgufValueType.Float64 } => Get<double>().ToString("R", CultureInfo.InvariantCulture),
        _ => GetInteger().ToString(CultureInfo.InvariantCulture),
    };

    private long IntegerAt(int index)
    {
        var bytes = Encoded.Span[(index * GgufValueTypes.SizeOf(ElementType))..];
        switch (ElementType)
        {
            case GgufValueType.UInt8: return bytes[0];
            case GgufValueType.Int8: return (sbyte)bytes[0];
            case GgufValueType.UInt16: return BinaryPrimitives.ReadUInt16LittleEndian(bytes);
            case GgufValueType.Int16: return BinaryPrimitives.ReadInt16LittleEndian(bytes);
            case GgufValueType.UInt32: return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            case GgufValueType.Int32: return BinaryPrimitives.ReadInt32LittleEndian(bytes);
            default:
                var value = BinaryPrimitives.ReadInt64LittleEndian(bytes);
                Require(ElementType == GgufValueType.Int64 || value >= 0, "an integer below 2^63");
                return value;
        }
    }

    private void Require(bool holds, string wanted)
    {
        if (!holds) throw new InvalidOperationException($"The value is {TypeName}, not {wanted}.");
    }

    private static byte[] Encode(IEnumerable<string> texts)
    {
        var encoded = new MemoryStream();
        foreach (var text in texts) Append(encoded, Encoding.UTF8.GetBytes(text));
        return encoded.ToArray();
    }

    private static void Append(MemoryStream encoded, ReadOnlySpan<byte> text)
    {
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, text.Length);
        encoded.Write(length);
        encoded.Write(text);
    }
}

/// <summary>One key-value of the metadata.</summary>
public sealed record GgufKeyValue(string Key, GgufValue Value);
