using System.Numerics;
using System.Text;

namespace FinerCut.Gguf.Fuzz;

/// <summary>A place in a file that a fuzzer likes to change.</summary>
/// <param name="Offset">Byte offset.</param>
/// <param name="Size">4 or 8 for numbers, other sizes for texts and values.</param>
/// <param name="Kind">What stands there.</param>
public readonly record struct Field(int Offset, int Size, FieldKind Kind);

public enum FieldKind { Magic, Version, Count, Length, Text, Type, Value, Dimension, Offset }

/// <summary>
/// Reads a GGUF file again without sharing a line with the library: every number as BigInteger, every rule spelled out. What the library
/// accepted must hold here, and both must have read the same.
/// </summary>
public sealed class SlowWalk
{
    private readonly byte[] _bytes;
    private readonly List<Field> _fields = [];
    private readonly List<(string Key, int Type, int ElementType, BigInteger Count, int Start, int End)> _values = [];
    private readonly List<(string Name, BigInteger[] Shape, int Type, BigInteger Offset, BigInteger Size)> _tensors = [];
    private int _at;

    private SlowWalk(byte[] bytes) => _bytes = bytes;

    public IReadOnlyList<Field> Fields => _fields;

    /// <summary>Walks and checks the bytes on their own.</summary>
    /// <exception cref="InvalidDataException">A rule does not hold.</exception>
    public static SlowWalk Over(byte[] bytes)
    {
        var walk = new SlowWalk(bytes);
        walk.Run();
        return walk;
    }

    /// <summary>Compares with what the library read.</summary>
    /// <exception cref="InvalidDataException">They differ.</exception>
    public void Compare(GgufModel model)
    {
        Rule(model.KeyValues.Length == _values.Count, "number of key-values");
        for (var i = 0; i < _values.Count; i++)
        {
            var (kv, slow) = (model.KeyValues[i], _values[i]);
            Rule(kv.Key == slow.Key, "key");
            Rule((int)kv.Value.ElementType == slow.ElementType && kv.Value.IsArray == (slow.Type == 9) && kv.Value.Count == slow.Count, "type of " + slow.Key);
            Rule(kv.Value.Encoded.Span.SequenceEqual(_bytes.AsSpan(slow.Start, slow.End - slow.Start)), "bytes of " + slow.Key);
        }
        Rule(model.Tensors.Length == _tensors.Count, "number of tensors");
        for (var i = 0; i < _tensors.Count; i++)
        {
            var (tensor, slow) = (model.Tensors[i], _tensors[i]);
            Rule(tensor.Name == slow.Name && (int)tensor.Type == slow.Type && tensor.Offset == slow.Offset && tensor.ByteCount == slow.Size, "tensor " + slow.Name);
            Rule(tensor.Shape.Select(d => (BigInteger)d).SequenceEqual(slow.Shape), "shape of " + slow.Name);
            Rule(model.DataOffset + slow.Offset + slow.Size <= _bytes.Length, "end of " + slow.Name);
        }
    }

    private void Run()
    {
        Rule(Encoding.ASCII.GetString(Take(4, FieldKind.Magic)) == "GGUF", "magic");
        var version = Number(4, FieldKind.Version);
        Rule(version == 2 || version == 3, "version");
        var tensorCount = Number(8, FieldKind.Count);
        var keyCount = Number(8, FieldKind.Count);
        var keys = new List<string>();
        BigInteger alignment = 32;
        for (BigInteger i = 0; i < keyCount; i++)
        {
            var key = Text();
            Rule(key.Length > 0 && Encoding.UTF8.GetByteCount(key) <= 65535 && !keys.Contains(key) && !key.Contains('\0'), "key " + key);
            keys.Add(key);
            var type = (int)Number(4, FieldKind.Type);
            var elementType = type;
            BigInteger count = 1;
            if (type == 9)
            {
                elementType = (int)Number(4, FieldKind.Type);
                Rule(elementType != 9, "no nested arrays");
                count = Number(8, FieldKind.Length);
            }
            var start = _at;
            if (elementType == 8)
            {
                for (BigInteger j = 0; j < count; j++) Take(Number(8, FieldKind.Length), FieldKind.Text);
            }
            else
            {
                Rule(elementType is >= 0 and <= 12, "value type");
                int[] sizes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
                Take(sizes[elementType] * count, FieldKind.Value);
            }
            if (type == 7) Rule(_bytes[start] <= 1, "bool");
            if (key == "general.alignment")
            {
                Rule(type == 4, "type of the alignment");
                alignment = BitConverter.ToUInt32(_bytes, start);
                Rule(alignment >= 8 && alignment <= 1 << 20 && alignment.IsPowerOfTwo, "alignment");
            }
            _values.Add((key, type, elementType, count, start, _at));
        }
        for (BigInteger i = 0; i < tensorCount; i++) Tensor();
        BigInteger data = tensorCount == 0 ? _at : (_at + alignment - 1) / alignment * alignment;
        BigInteger expected = 0;
        foreach (var tensor in _tensors)
        {
            Rule(tensor.Offset == expected, "offset of " + tensor.Name);
            Rule(data + tensor.Offset + tensor.Size <= _bytes.Length, "data of " + tensor.Name + " inside the file");
            expected = (expected + tensor.Size + alignment - 1) / alignment * alignment;
        }
    }

    private void Tensor()
    {
        var name = Text();
        Rule(name.Length > 0 && Encoding.UTF8.GetByteCount(name) <= 63 && _tensors.All(t => t.Name != name) && !name.Contains('\0'), "tensor name " + name);
        var dimensions = Number(4, FieldKind.Count);
        Rule(dimensions >= 1 && dimensions <= 4, "number of dimensions");
        var shape = new BigInteger[(int)dimensions];
        for (var i = 0; i < shape.Length; i++)
        {
            shape[i] = Number(8, FieldKind.Dimension);
            Rule(shape[i] >= 1 && shape[i] <= long.MaxValue, "dimension");
        }
        var type = (int)Number(4, FieldKind.Type);
        var (block, bytes) = BlockOf(type);
        Rule(block > 0 && shape[0] % block == 0, "whole blocks");
        var elements = shape.Aggregate(BigInteger.One, (product, dimension) => product * dimension);
        _tensors.Add((name, shape, type, Number(8, FieldKind.Offset), elements / block * bytes));
    }

    // ggml-common.h of llama.cpp v0.5.0: scale fields + packed quants, spelled out.
    private static (int Elements, int Bytes) BlockOf(int type) => type switch
    {
        0 or 26 => (1, 4),
        1 or 25 or 30 => (1, 2),
        24 => (1, 1),
        27 or 28 => (1, 8),
        2 or 20 => (32, 2 + 16),
        3 => (32, 4 + 16),
        6 => (32, 2 + 4 + 16),
        7 => (32, 4 + 4 + 16),
        8 => (32, 2 + 32),
        9 => (32, 4 + 32),
        10 => (256, 16 + 64 + 4),
        11 => (256, 32 + 64 + 12 + 2),
        12 => (256, 4 + 12 + 128),
        13 => (256, 4 + 12 + 32 + 128),
        14 => (256, 128 + 64 + 16 + 2),
        15 => (256, 4 + 256 + 32),
        16 => (256, 2 + 64),
        17 => (256, 2 + 64 + 8),
        18 => (256, 2 + 96),
        19 => (256, 2 + 32 + 16),
        21 => (256, 2 + 64 + 8 + 32 + 4),
        22 => (256, 2 + 64 + 8 + 8),
        23 => (256, 2 + 2 + 4 + 128),
        29 => (256, 32 + 16 + 8),
        34 => (256, 48 + 4 + 2),
        35 => (256, 64 + 2),
        39 => (32, 1 + 16),
        40 => (64, 4 + 32),
        41 => (128, 2 + 16),
        42 => (64, 2 + 16),
        _ => (0, 0),
    };

    private string Text() => new UTF8Encoding(false, true).GetString(Take(Number(8, FieldKind.Length), FieldKind.Text));

    private BigInteger Number(int size, FieldKind kind) => new(Take(size, kind), isUnsigned: true);

    private byte[] Take(BigInteger count, FieldKind kind)
    {
        Rule(count >= 0 && _at + count <= _bytes.Length, "inside the file");
        _fields.Add(new(_at, (int)count, kind));
        var taken = _bytes.AsSpan(_at, (int)count).ToArray();
        _at += (int)count;
        return taken;
    }

    private static void Rule(bool holds, string what)
    {
        if (!holds) throw new InvalidDataException("does not hold: " + what);
    }
}
