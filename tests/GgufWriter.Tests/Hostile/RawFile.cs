using System.Text;

namespace FinerCut.Gguf.Tests.Hostile;

/// <summary>Writes GGUF fields one by one, also those that no writer would write.</summary>
internal sealed class RawFile
{
    private readonly List<byte> _bytes = [];

    public static RawFile Header(uint version = 3, ulong tensors = 0, ulong keys = 0) => new RawFile().Raw("GGUF"u8).U32(version).U64(tensors).U64(keys);

    /// <summary>A sound key-value before what follows, so that defects are not at the very start.</summary>
    public static RawFile OneKey(string key, GgufValueType type) => Header(keys: 1).Text(key).U32((uint)type);

    /// <summary>A header for one tensor, and its info.</summary>
    public static RawFile OneTensor(ulong[] shape, int type = 0, ulong offset = 0, string name = "w", uint? dimensions = null) =>
        Header(tensors: 1).TensorInfo(name, shape, type, offset, dimensions);

    public RawFile TensorInfo(string name, ulong[] shape, int type, ulong offset, uint? dimensions = null)
    {
        Text(name).U32(dimensions ?? (uint)shape.Length);
        foreach (var dimension in shape) U64(dimension);
        return U32((uint)type).U64(offset);
    }

    public RawFile Raw(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public RawFile U32(uint value) => Raw(BitConverter.GetBytes(value));

    public RawFile U64(ulong value) => Raw(BitConverter.GetBytes(value));

    public RawFile Text(string text) => Bytes(Encoding.UTF8.GetBytes(text));

    public RawFile Bytes(byte[] text) => U64((ulong)text.Length).Raw(text);

    public RawFile KeyU32(string key, uint value) => Text(key).U32((uint)GgufValueType.UInt32).U32(value);

    public RawFile Zeros(int count) => Raw(new byte[count]);

    /// <summary>Padding up to the data section and then data.</summary>
    public RawFile Data(int count, int alignment = 32) => Zeros((int)((alignment - (_bytes.Count % alignment)) % alignment)).Zeros(count);

    public byte[] ToArray() => [.. _bytes];
}
