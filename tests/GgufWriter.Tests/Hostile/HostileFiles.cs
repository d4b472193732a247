namespace FinerCut.Gguf.Tests.Hostile;

/// <summary>One file a named defect, each with the cause that it must be refused for.</summary>
internal static class HostileFiles
{
    private const ulong Huge = 1UL << 63;
    private const ulong Most = ulong.MaxValue;

    public static IReadOnlyDictionary<string, (GgufCause Cause, byte[] Bytes)> All { get; } = Make();

    private static Dictionary<string, (GgufCause Cause, byte[] Bytes)> Make()
    {
        var files = new Dictionary<string, (GgufCause, byte[])>();
        Headers((name, cause, file) => files.Add(name, (cause, file.ToArray())));
        KeyValues((name, cause, file) => files.Add(name, (cause, file.ToArray())));
        Alignments((name, cause, file) => files.Add(name, (cause, file.ToArray())));
        Shapes((name, cause, file) => files.Add(name, (cause, file.ToArray())));
        Places((name, cause, file) => files.Add(name, (cause, file.ToArray())));
        return files;
    }

    private static void Headers(Action<string, GgufCause, RawFile> add)
    {
        add("another magic", GgufCause.NotGguf, new RawFile().Raw("GGML"u8).Zeros(60));
        add("half a magic", GgufCause.NotGguf, new RawFile().Raw("GG"u8));
        add("magic only", GgufCause.Truncated, new RawFile().Raw("GGUF"u8));
        add("version 0", GgufCause.VersionUnsupported, RawFile.Header(0).Zeros(64));
        add("version 1", GgufCause.VersionUnsupported, RawFile.Header(1).Zeros(64));
        add("version 4", GgufCause.VersionUnsupported, RawFile.Header(4).Zeros(64));
        add("version 2^32-1", GgufCause.VersionUnsupported, RawFile.Header(uint.MaxValue).Zeros(64));
        add("version 3 byte-swapped", GgufCause.BigEndian, RawFile.Header(3u << 24).Zeros(64));
        add("version 2 byte-swapped", GgufCause.BigEndian, RawFile.Header(2u << 24).Zeros(64));
        foreach (var (name, count) in ((string, ulong)[])[("one", 1), ("huge", 1UL << 40), ("negative", Huge), ("all ones", Most), ("wrapping by 33", (Most / 33) + 1), ("wrapping by 14", (Most / 14) + 1)])
        {
            add($"n_tensors {name} in an empty file", GgufCause.TensorCountInvalid, RawFile.Header(tensors: count));
            add($"n_kv {name} in an empty file", GgufCause.KeyCountInvalid, RawFile.Header(keys: count));
            if (count == 1) continue;
            add($"n_tensors {name}", GgufCause.TensorCountInvalid, RawFile.Header(tensors: count).Zeros(4096));
            add($"n_kv {name}", GgufCause.KeyCountInvalid, RawFile.Header(keys: count).Zeros(4096));
        }
    }

    private static void KeyValues(Action<string, GgufCause, RawFile> add)
    {
        foreach (var (name, length) in ((string, ulong)[])[("2^64-1", Most), ("2^64-8", Most - 7), ("2^63", Huge), ("one past the end", 21), ("2^40", 1UL << 40)])
        {
            add($"key of {name} bytes", GgufCause.StringPastEnd, RawFile.Header(keys: 1).U64(length).Zeros(20));
            add($"text of {name} bytes", GgufCause.StringPastEnd, RawFile.OneKey("k", GgufValueType.String).U64(length).Zeros(20));
            add($"text in an array of {name} bytes", GgufCause.StringPastEnd, RawFile.OneKey("k", GgufValueType.Array).U32(8).U64(1).U64(length).Zeros(20));
            add($"tensor name of {name} bytes", GgufCause.StringPastEnd, RawFile.Header(tensors: 1).U64(length + (length == 21 ? 20u : 0)).Zeros(40));
        }
        foreach (var (name, length) in ((string, ulong)[])[("2^63", Huge), ("2^64-1", Most), ("wrapping by 8", (Most / 8) + 1), ("wrapping by 4", (Most / 4) + 1), ("beyond the file", 1000)])
        {
            foreach (var type in Enum.GetValues<GgufValueType>().Where(type => type != GgufValueType.Array))
            {
                add($"array of {name} {type}", GgufCause.ArrayPastEnd, RawFile.OneKey("k", GgufValueType.Array).U32((uint)type).U64(length).Zeros(900));
            }
        }
        add("array of an unknown type", GgufCause.ValueTypeUnknown, RawFile.OneKey("k", GgufValueType.Array).U32(13).U64(1).Zeros(32));
        add("array of arrays", GgufCause.ArrayNested, RawFile.OneKey("k", GgufValueType.Array).U32(9).U64(1).U32(4).U64(1).Zeros(32));
        add("value type 13", GgufCause.ValueTypeUnknown, RawFile.OneKey("k", (GgufValueType)13).Zeros(32));
        add("value type -1", GgufCause.ValueTypeUnknown, RawFile.OneKey("k", (GgufValueType)(-1)).Zeros(32));
        add("bool of 2", GgufCause.BoolInvalid, RawFile.OneKey("k", GgufValueType.Bool).Raw([2]));
        add("value cut off", GgufCause.Truncated, RawFile.OneKey("kkk", GgufValueType.UInt64).Raw([1, 2, 3]));
        add("key twice", GgufCause.KeyDuplicate, RawFile.Header(keys: 2).KeyU32("k", 1).KeyU32("k", 2));
        add("key empty", GgufCause.KeyEmpty, RawFile.Header(keys: 1).KeyU32("", 1));
        add("key of 64 KiB", GgufCause.KeyTooLong, RawFile.Header(keys: 1).KeyU32(new('k', 65536), 1));
        add("key of 1 MiB", GgufCause.KeyTooLong, RawFile.Header(keys: 1).KeyU32(new('k', 1 << 20), 1));
        add("key with a NUL", GgufCause.KeyInvalid, RawFile.Header(keys: 1).KeyU32("general.name\0x", 1));
        add("key of no UTF-8", GgufCause.KeyInvalid, RawFile.Header(keys: 1).Bytes([0xC3, 0x28]).U32(4).U32(1));
    }

    private static void Alignments(Action<string, GgufCause, RawFile> add)
    {
        foreach (var alignment in (uint[])[0, 1, 3, 7, 33, 1 << 30, 1u << 31, uint.MaxValue])
        {
            add($"alignment {alignment}", GgufCause.AlignmentInvalid, RawFile.Header(keys: 1).KeyU32("general.alignment", alignment));
        }
        add("alignment of i32", GgufCause.AlignmentType, RawFile.OneKey("general.alignment", GgufValueType.Int32).U32(32));
        add("alignment of u64", GgufCause.AlignmentType, RawFile.OneKey("general.alignment", GgufValueType.UInt64).U64(32));
        add("alignment as a text", GgufCause.AlignmentType, RawFile.OneKey("general.alignment", GgufValueType.String).Text("32"));
        add("alignment as an array", GgufCause.AlignmentType, RawFile.OneKey("general.alignment", GgufValueType.Array).U32(4).U64(1).U32(32));
    }

    private static void Shapes(Action<string, GgufCause, RawFile> add)
    {
        add("no dimensions", GgufCause.DimensionCountInvalid, RawFile.OneTensor([]).Data(64));
        add("5 dimensions", GgufCause.DimensionCountInvalid, RawFile.OneTensor([1, 1, 1, 1, 1]).Data(64));
        add("2^32-1 dimensions", GgufCause.DimensionCountInvalid, RawFile.OneTensor([1], dimensions: uint.MaxValue).Data(64));
        add("dimension -1", GgufCause.DimensionInvalid, RawFile.OneTensor([Most]).Data(64));
        add("second dimension -2", GgufCause.DimensionInvalid, RawFile.OneTensor([4, Most - 1]).Data(64));
        add("first dimension 0", GgufCause.DimensionInvalid, RawFile.OneTensor([0, 4]).Data(64));
        add("second dimension 0", GgufCause.DimensionInvalid, RawFile.OneTensor([4, 0]).Data(64));
        add("elements that wrap to 0", GgufCause.ElementCountOverflow, RawFile.OneTensor([1UL << 32, 1UL << 32]).Data(64));
        add("elements that wrap to 4", GgufCause.ElementCountOverflow, RawFile.OneTensor([(1UL << 62) + 1, 4]).Data(64));
        add("elements that wrap over four dimensions", GgufCause.ElementCountOverflow, RawFile.OneTensor([1UL << 16, 1UL << 16, 1UL << 16, 1UL << 16]).Data(64));
        add("elements of 2^63", GgufCause.ElementCountOverflow, RawFile.OneTensor([1UL << 62, 2]).Data(64));
        // CVE-2026-33298: the byte count of an exabyte tensor wraps to something small.
        add("bytes that wrap to 0", GgufCause.ByteCountOverflow, RawFile.OneTensor([1UL << 62]).Data(64));
        add("bytes that wrap to 16", GgufCause.ByteCountOverflow, RawFile.OneTensor([(1UL << 62) + 4]).Data(64));
        add("bytes of q8_0 that wrap", GgufCause.ByteCountOverflow, RawFile.OneTensor([(1UL << 63) - 32], (int)GgmlType.Q8_0).Data(64));
        add("exabytes that do not wrap", GgufCause.TensorPastEnd, RawFile.OneTensor([1UL << 58]).Data(64));
        foreach (var type in (int[])[-1, int.MinValue, 4, 5, 31, 32, 33, 36, 37, 38, 43, int.MaxValue])
        {
            add($"ggml type {type}", GgufCause.TensorTypeUnknown, RawFile.OneTensor([32], type).Data(64));
        }
        add("q4_0 row of 33", GgufCause.RowNotWholeBlocks, RawFile.OneTensor([33, 2], (int)GgmlType.Q4_0).Data(640));
        add("q6_K row of 128", GgufCause.RowNotWholeBlocks, RawFile.OneTensor([128, 2], (int)GgmlType.Q6_K).Data(640));
    }

    private static void Places(Action<string, GgufCause, RawFile> add)
    {
        // CVE-2026-7482: a copying step read past the mapping and wrote process memory into the new file.
        add("data past the end", GgufCause.TensorPastEnd, RawFile.OneTensor([100]).Data(399));
        add("no data at all", GgufCause.TensorPastEnd, RawFile.OneTensor([100]));
        add("offset beyond the file", GgufCause.OffsetUnexpected, RawFile.OneTensor([4], offset: 1 << 20).Data(64));
        add("offset 2^63", GgufCause.TensorPastEnd, RawFile.OneTensor([4], offset: Huge).Data(64));
        add("offset that wraps", GgufCause.TensorPastEnd, RawFile.OneTensor([4], offset: Most - 31).Data(64));
        add("offset misaligned", GgufCause.OffsetMisaligned, RawFile.OneTensor([4], offset: 4).Data(64));
        add("second tensor misaligned", GgufCause.OffsetMisaligned, RawFile.Header(tensors: 2).TensorInfo("a", [4], 0, 0).TensorInfo("b", [4], 0, 16).Data(128));
        add("tensors overlap", GgufCause.TensorOverlap, RawFile.Header(tensors: 2).TensorInfo("a", [16], 0, 0).TensorInfo("b", [4], 0, 32).Data(128));
        add("tensors at the same place", GgufCause.TensorOverlap, RawFile.Header(tensors: 2).TensorInfo("a", [4], 0, 0).TensorInfo("b", [4], 0, 0).Data(128));
        add("a gap between tensors", GgufCause.OffsetUnexpected, RawFile.Header(tensors: 2).TensorInfo("a", [4], 0, 0).TensorInfo("b", [4], 0, 64).Data(128));
        add("announced alignment not kept", GgufCause.OffsetMisaligned,
            RawFile.Header(tensors: 2, keys: 1).KeyU32("general.alignment", 64).TensorInfo("a", [4], 0, 0).TensorInfo("b", [4], 0, 32).Data(128, 64));
        // CVE-2025-53630, CVE-2026-27940: the running sum of padded sizes overflows.
        add("padding that overflows", GgufCause.DataSizeOverflow, RawFile.OneTensor([(1UL << 63) - 2], (int)GgmlType.I8).Data(64));
        add("sum of sizes that overflows", GgufCause.TensorPastEnd,
            RawFile.Header(tensors: 2).TensorInfo("a", [1UL << 62], 24, 0).TensorInfo("b", [1UL << 62], 24, 1UL << 62).Data(64));
        add("tensor twice", GgufCause.TensorDuplicate, RawFile.Header(tensors: 2).TensorInfo("a", [4], 0, 0).TensorInfo("a", [4], 0, 32).Data(128));
        add("tensor name empty", GgufCause.TensorNameInvalid, RawFile.OneTensor([4], name: "").Data(64));
        add("tensor name of 64 bytes", GgufCause.TensorNameInvalid, RawFile.OneTensor([4], name: new('n', 64)).Data(64));
        add("tensor name of 70,000 bytes", GgufCause.TensorNameInvalid, RawFile.OneTensor([4], name: new('n', 70_000)).Data(64));
        add("tensor name with a NUL", GgufCause.TensorNameInvalid, RawFile.OneTensor([4], name: "w\0eight").Data(64));
    }
}
