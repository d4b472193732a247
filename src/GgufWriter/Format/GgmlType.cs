using System.Collections.Frozen;

namespace FinerCut.Gguf;

/// <summary>Element type of a tensor (ggml.h, <c>ggml_type</c>, llama.cpp v0.5.0); stored as int32. Removed numbers are not here.</summary>
public enum GgmlType
{
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q8_1 = 9,
    Q2_K = 10,
    Q3_K = 11,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    Q8_K = 15,
    IQ2_XXS = 16,
    IQ2_XS = 17,
    IQ3_XXS = 18,
    IQ1_S = 19,
    IQ4_NL = 20,
    IQ3_S = 21,
    IQ2_S = 22,
    IQ4_XS = 23,
    I8 = 24,
    I16 = 25,
    I32 = 26,
    I64 = 27,
    F64 = 28,
    IQ1_M = 29,
    BF16 = 30,
    TQ1_0 = 34,
    TQ2_0 = 35,
    MXFP4 = 39,
    NVFP4 = 40,
    Q1_0 = 41,
    Q2_0 = 42,
}

/// <param name="Name">llama.cpp's name (ggml_type_name).</param>
/// <param name="BlockSize">Elements of one block (ggml_blck_size); a row is a whole number of blocks.</param>
/// <param name="TypeSize">Bytes of one block (ggml_type_size).</param>
public readonly record struct GgmlTypeInfo(string Name, int BlockSize, int TypeSize);

/// <summary>The table of ggml types; asserted against the native library by the tests.</summary>
public static class GgmlTypes
{
    private const int SuperBlock = 256;

    private static readonly FrozenDictionary<GgmlType, GgmlTypeInfo> Table = new Dictionary<GgmlType, GgmlTypeInfo>
    {
        [GgmlType.F32] = new("f32", 1, 4),
        [GgmlType.F16] = new("f16", 1, 2),
        [GgmlType.Q4_0] = new("q4_0", 32, 18),
        [GgmlType.Q4_1] = new("q4_1", 32, 20),
        [GgmlType.Q5_0] = new("q5_0", 32, 22),
        [GgmlType.Q5_1] = new("q5_1", 32, 24),
        [GgmlType.Q8_0] = new("q8_0", 32, 34),
        [GgmlType.Q8_1] = new("q8_1", 32, 36),
        [GgmlType.Q2_K] = new("q2_K", SuperBlock, 84),
        [GgmlType.Q3_K] = new("q3_K", SuperBlock, 110),
        [GgmlType.Q4_K] = new("q4_K", SuperBlock, 144),
        [GgmlType.Q5_K] = new("q5_K", SuperBlock, 176),
        [GgmlType.Q6_K] = new("q6_K", SuperBlock, 210),
        [GgmlType.Q8_K] = new("q8_K", SuperBlock, 292),
        [GgmlType.IQ2_XXS] = new("iq2_xxs", SuperBlock, 66),
        [GgmlType.IQ2_XS] = new("iq2_xs", SuperBlock, 74),
        [GgmlType.IQ3_XXS] = new("iq3_xxs", SuperBlock, 98),
        [GgmlType.IQ1_S] = new("iq1_s", SuperBlock, 50),
        [GgmlType.IQ4_NL] = new("iq4_nl", 32, 18),
        [GgmlType.IQ3_S] = new("iq3_s", SuperBlock, 110),
        [GgmlType.IQ2_S] = new("iq2_s", SuperBlock, 82),
        [GgmlType.IQ4_XS] = new("iq4_xs", SuperBlock, 136),
        [GgmlType.I8] = new("i8", 1, 1),
        [GgmlType.I16] = new("i16", 1, 2),
        [GgmlType.I32] = new("i32", 1, 4),
        [GgmlType.I64] = new("i64", 1, 8),
        [GgmlType.F64] = new("f64", 1, 8),
        [GgmlType.IQ1_M] = new("iq1_m", SuperBlock, 56),
        [GgmlType.BF16] = new("bf16", 1, 2),
        [GgmlType.TQ1_0] = new("tq1_0", SuperBlock, 54),
        [GgmlType.TQ2_0] = new("tq2_0", SuperBlock, 66),
        [GgmlType.MXFP4] = new("mxfp4", 32, 17),
        [GgmlType.NVFP4] = new("nvfp4", 64, 36),
        [GgmlType.Q1_0] = new("q1_0", 128, 18),
        [GgmlType.Q2_0] = new("q2_0", 64, 18),
    }.ToFrozenDictionary();

    public static bool TryGet(GgmlType type, out GgmlTypeInfo info) => Table.TryGetValue(type, out info);

    /// <exception cref="ArgumentOutOfRangeException">No such type in llama.cpp v0.5.0.</exception>
    public static GgmlTypeInfo Of(GgmlType type) => Table.TryGetValue(type, out var info)
        ? info
        : throw new ArgumentOutOfRangeException(nameof(type), (int)type, "No ggml type of llama.cpp v0.5.0.");

    /// <summary>Bytes of a tensor of that shape.</summary>
    /// <exception cref="ArgumentException">A row is no whole number of blocks, or a dimension is below 1.</exception>
    /// <exception cref="OverflowException">The size does not fit in 63 bits.</exception>
    public static long ByteCount(GgmlType type, ReadOnlySpan<long> shape)
    {
        var info = Of(type);
        if (shape.IsEmpty || shape[0] % info.BlockSize != 0)
        {
            throw new ArgumentException($"A row of {info.Name} is a multiple of {info.BlockSize} elements, not {(shape.IsEmpty ? 0 : shape[0])}.", nameof(shape));
        }
        var bytes = checked(shape[0] / info.BlockSize * info.TypeSize);
        foreach (var dimension in shape)
        {
            if (dimension < 1) throw new ArgumentException("A dimension is at least 1.", nameof(shape));
        }
        foreach (var dimension in shape[1..]) bytes = checked(bytes * dimension);
        return bytes;
    }
}
