using System.Collections.Frozen;
using System.Collections.Immutable;

namespace FinerCut.Gguf;

/// <summary>The metadata of a sound file: key-values and tensor infos in file order. Immutable and thread-safe.</summary>
public sealed class GgufModel
{
    private readonly FrozenDictionary<string, GgufValue> _values;
    private readonly FrozenDictionary<string, GgufTensorInfo> _tensors;

    internal GgufModel(uint version, int alignment, long dataOffset, ImmutableArray<GgufKeyValue> keyValues, ImmutableArray<GgufTensorInfo> tensors)
    {
        Version = version;
        Alignment = alignment;
        DataOffset = dataOffset;
        KeyValues = keyValues;
        Tensors = tensors;
        _values = keyValues.ToFrozenDictionary(kv => kv.Key, kv => kv.Value, StringComparer.Ordinal);
        _tensors = tensors.ToFrozenDictionary(tensor => tensor.Name, StringComparer.Ordinal);
    }

    /// <summary>2 or 3.</summary>
    public uint Version { get; }

    /// <summary>Every tensor begins at a multiple of it (general.alignment, 32 by default).</summary>
    public int Alignment { get; }

    /// <summary>Where the data section begins in the file.</summary>
    public long DataOffset { get; }

    public ImmutableArray<GgufKeyValue> KeyValues { get; }

    public ImmutableArray<GgufTensorInfo> Tensors { get; }

    /// <summary>general.architecture, null where the file has none.</summary>
    public string? Architecture => Find(GgufKeys.Architecture) is { IsText: true } value ? value.GetText() : null;

    /// <summary>Reads metadata that lies in memory, whole file or its beginning; checks as <see cref="GgufFile.Open"/> does.</summary>
    /// <param name="head">The file's bytes, at least up to the data section.</param>
    /// <param name="fileLength">Bytes of the whole file.</param>
    /// <exception cref="GgufException">The file is not sound.</exception>
    public static GgufModel Parse(ReadOnlyMemory<byte> head, long fileLength) => MetadataParser.Parse(head, fileLength, null);

    public GgufValue? Find(string key) => _values.GetValueOrDefault(key);

    public GgufTensorInfo? FindTensor(string name) => _tensors.GetValueOrDefault(name);

    /// <exception cref="GgufException">There is no such tensor.</exception>
    public GgufTensorInfo GetTensor(string name) => FindTensor(name)
        ?? throw new GgufException(new(GgufCause.TensorMissing, null, name, "no such tensor", "the tensor"));

    /// <exception cref="GgufException">There is no such key.</exception>
    public GgufValue Get(string key) => Find(key) ?? throw new GgufException(new(GgufCause.KeyMissing, null, key, "no such key", "the key"));

    /// <exception cref="GgufException">Missing, or no text.</exception>
    public string GetText(string key) => Get(key) is { IsText: true } value ? value.GetText() : throw Wrong(key, "str");

    /// <summary>An integer of whatever width from 0 to 2^31-1.</summary>
    /// <exception cref="GgufException">Missing, no integer or out of range.</exception>
    public int GetInt32(string key) => ToInt32(key, Get(key));

    /// <summary>As <see cref="GetInt32(string)"/>, <paramref name="otherwise"/> where the key is missing.</summary>
    public int GetInt32(string key, int otherwise) => Find(key) is { } value ? ToInt32(key, value) : otherwise;

    /// <summary>A per-layer value: an array of <paramref name="count"/> integers, or one integer that holds for all.</summary>
    /// <exception cref="GgufException">Missing, no integers, out of range or too few.</exception>
    public int[] GetInt32s(string key, int count)
    {
        var value = Get(key);
        if (!value.IsArray) return [.. Enumerable.Repeat(ToInt32(key, value), count)];
        if (!GgufValueTypes.IsInteger(value.ElementType)) throw Wrong(key, "integers");
        if (value.Count != count)
        {
            throw new GgufException(new(GgufCause.ArrayLengthWrong, null, key, $"{value.Count} values", $"{count}, one a block"));
        }
        if (value.ElementType == GgufValueType.UInt64 && value.GetElements<ulong>().ContainsAnyExceptInRange(0UL, (ulong)long.MaxValue)) InRange(key, -1);
        return [.. value.GetIntegers().Select(number => InRange(key, number))];
    }

    /// <exception cref="GgufException">Missing, or no number.</exception>
    public double GetNumber(string key) =>
        Get(key) is { IsArray: false, ElementType: not (GgufValueType.String or GgufValueType.Bool) } value ? value.GetNumber() : throw Wrong(key, "a number");

    private int ToInt32(string key, GgufValue value)
    {
        if (!value.IsInteger) throw Wrong(key, "an integer");
        return InRange(key, value is { ElementType: GgufValueType.UInt64 } && value.Get<ulong>() > long.MaxValue ? -1 : value.GetInteger());
    }

    private static int InRange(string key, long number) => number is >= 0 and <= int.MaxValue
        ? (int)number
        : throw new GgufException(new(GgufCause.ValueOutOfRange, null, key, $"{number}", "0 to 2^31-1"));

    private GgufException Wrong(string key, string expected) => new(new(GgufCause.ValueTypeWrong, null, key, Get(key).TypeName, expected));
}

/// <summary>Keys that this library itself acts on.</summary>
public static class GgufKeys
{
    public const string Alignment = "general.alignment";
    public const string Architecture = "general.architecture";
    public const string SplitNumber = "split.no";
    public const string SplitCount = "split.count";
    public const string SplitTensorCount = "split.tensors.count";
}
