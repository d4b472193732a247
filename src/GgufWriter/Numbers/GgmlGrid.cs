namespace FinerCut.Gguf;

/// <summary>
/// The values that a quantised block can hold while its scales stand: value = scale · quant + offset, quant whole and in a range. Weights can so be
/// moved to other values of their own grid without quantising anything anew: what is not moved keeps its bits. Pure and thread-safe.
/// </summary>
public static class GgmlGrid
{
    /// <summary>Whether blocks of the type can be read as a grid: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q6_K.</summary>
    public static bool Covers(GgmlType type) =>
        type is GgmlType.Q4_0 or GgmlType.Q4_1 or GgmlType.Q5_0 or GgmlType.Q5_1 or GgmlType.Q8_0 or GgmlType.Q4_K or GgmlType.Q6_K;

    /// <summary>Least and most quant of the type.</summary>
    public static (int Least, int Most) Range(GgmlType type) => type switch
    {
        GgmlType.Q4_0 => (-8, 7),
        GgmlType.Q4_1 or GgmlType.Q4_K => (0, 15),
        GgmlType.Q5_0 => (-16, 15),
        GgmlType.Q5_1 => (0, 31),
        GgmlType.Q8_0 => (-127, 127),
        GgmlType.Q6_K => (-32, 31),
        _ => throw new NotSupportedException($"{GgmlTypes.Of(type).Name} blocks are not read as a grid."),
    };

    /// <summary>Scale and offset of every element.</summary>
    /// <param name="data">Whole blocks.</param>
    /// <param name="scales">One an element; may be negative.</param>
    /// <param name="offsets">One an element.</param>
    public static void Read(GgmlType type, ReadOnlySpan<byte> data, Span<float> scales, Span<float> offsets)
    {
        // The decoder knows where scales lie: it is asked what the least and the most quant stand for.
        var (least, most) = Range(type);
        var probe = data.ToArray();
        var quants = new sbyte[scales.Length];
        quants.AsSpan().Fill((sbyte)most);
        Write(type, quants, probe);
        GgmlDecoder.Decode(type, probe, scales);
        quants.AsSpan().Fill((sbyte)least);
        Write(type, quants, probe);
        GgmlDecoder.Decode(type, probe, offsets);
        for (var at = 0; at < scales.Length; at++)
        {
            scales[at] = (scales[at] - offsets[at]) / (most - least);
            offsets[at] -= scales[at] * least;
        }
    }

    /// <summary>Puts quants in place of those in the blocks; the scales stay.</summary>
    /// <param name="quants">One an element, within <see cref="Range"/>.</param>
    /// <param name="data">Whole blocks.</param>
    public static void Write(GgmlType type, ReadOnlySpan<sbyte> quants, Span<byte> data)
    {
        var info = GgmlTypes.Of(type);
        var (least, most) = Range(type);
        foreach (var quant in quants)
        {
            if (quant < least || quant > most) throw new ArgumentOutOfRangeException(nameof(quants), quant, $"Quants of {info.Name} are {least} to {most}.");
        }

        Span<byte> raised = stackalloc byte[info.BlockSize];
        for (var block = 0; block < data.Length / info.TypeSize; block++)
        {
            var values = quants.Slice(block * info.BlockSize, info.BlockSize);
            for (var at = 0; at < values.Length; at++) raised[at] = (byte)(type == GgmlType.Q8_0 ? values[at] : values[at] - least);
            Put(type, raised, data.Slice(block * info.TypeSize, info.TypeSize));
        }
    }

    private static void Put(GgmlType type, ReadOnlySpan<byte> quants, Span<byte> block)
    {
        switch (type)
        {
            case GgmlType.Q8_0: quants.CopyTo(block[2..]); break;
            case GgmlType.Q4_0: Nibbles(quants, block[2..]); break;
            case GgmlType.Q4_1: Nibbles(quants, block[4..]); break;
            case GgmlType.Q5_0: Fives(quants, block[2..]); break;
            case GgmlType.Q5_1: Fives(quants, block[4..]); break;
            case GgmlType.Q4_K:
                for (var pair = 0; pair < 4; pair++)
                {
                    for (var at = 0; at < 32; at++) block[16 + (32 * pair) + at] = (byte)(quants[(64 * pair) + at] | (quants[(64 * pair) + 32 + at] << 4));
                }

                break;
            default: Sixes(quants, block); break;
        }
    }

    private static void Nibbles(ReadOnlySpan<byte> quants, Span<byte> nibbles)
    {
        for (var at = 0; at < 16; at++) nibbles[at] = (byte)((quants[at] & 15) | (quants[at + 16] << 4));
    }

    private static void Fives(ReadOnlySpan<byte> quants, Span<byte> data)
    {
        uint fifth = 0;
        for (var at = 0; at < 32; at++) fifth |= (uint)(quants[at] >> 4) << at;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(data, fifth);
        Nibbles(quants, data[4..]);
    }

    private static void Sixes(ReadOnlySpan<byte> quants, Span<byte> block)
    {
        for (var half = 0; half < 2; half++)
        {
            var values = quants.Slice(128 * half, 128);
            for (var at = 0; at < 64; at++) block[(64 * half) + at] = (byte)((values[at] & 15) | ((values[at + 64] & 15) << 4));
            for (var at = 0; at < 32; at++)
            {
                block[128 + (32 * half) + at] = (byte)((values[at] >> 4) | (values[at + 32] >> 4 << 2) | (values[at + 64] >> 4 << 4) | (values[at + 96] >> 4 << 6));
            }
        }
    }
}
