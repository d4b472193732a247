using System.Runtime.InteropServices;

namespace FinerCut.Gguf;

/// <summary>
/// Tensor data to floats, bit for bit as ggml's dequantize_row_* (ggml-quants.c, llama.cpp v0.5.0). Pure and thread-safe.
/// </summary>
public static class GgmlDecoder
{
    /// <summary>Whether the type can be decoded: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q6_K.</summary>
    public static bool CanDecode(GgmlType type) => type
        is GgmlType.F32 or GgmlType.F16 or GgmlType.BF16 or GgmlType.Q8_0 or GgmlType.Q4_0 or GgmlType.Q4_1 or GgmlType.Q5_0 or GgmlType.Q5_1
        or GgmlType.Q4_K or GgmlType.Q6_K;

    /// <summary>Decodes whole blocks.</summary>
    /// <param name="type">Type of the data.</param>
    /// <param name="data">Blocks; any number of rows.</param>
    /// <param name="destination">Exactly as many floats as the blocks hold.</param>
    /// <exception cref="NotSupportedException">The type cannot be decoded.</exception>
    /// <exception cref="ArgumentException">The lengths do not belong together.</exception>
    public static void Decode(GgmlType type, ReadOnlySpan<byte> data, Span<float> destination)
    {
        var info = GgmlTypes.Of(type);
        if (data.Length % info.TypeSize != 0 || data.Length / info.TypeSize * (long)info.BlockSize != destination.Length)
        {
            throw new ArgumentException($"{data.Length} bytes of {info.Name} are not {destination.Length} elements.", nameof(destination));
        }
        switch (type)
        {
            case GgmlType.F32:
                MemoryMarshal.Cast<byte, float>(data).CopyTo(destination);
                return;
            case GgmlType.F16:
                var halves = MemoryMarshal.Cast<byte, Half>(data);
                for (var i = 0; i < destination.Length; i++) destination[i] = (float)halves[i];
                return;
            case GgmlType.BF16:
                var upper = MemoryMarshal.Cast<byte, ushort>(data);
                for (var i = 0; i < destination.Length; i++) destination[i] = BitConverter.UInt32BitsToSingle((uint)upper[i] << 16);
                return;
        }
        for (var block = 0; block < data.Length / info.TypeSize; block++)
        {
            Block(type, data.Slice(block * info.TypeSize, info.TypeSize), destination.Slice(block * info.BlockSize, info.BlockSize));
        }
    }

    private static void Block(GgmlType type, ReadOnlySpan<byte> block, Span<float> values)
    {
        switch (type)
        {
            case GgmlType.Q8_0: Q8(block, values); break;
            case GgmlType.Q4_0: Nibbles(block[2..], values, HalfAt(block, 0), -8); break;
            case GgmlType.Q4_1: NibblesAndMinimum(block[4..], values, HalfAt(block, 0), HalfAt(block, 2)); break;
            // Adding -0 changes nothing, also not the sign of a zero.
            case GgmlType.Q5_0: Fives(block[6..], UInt32At(block, 2), values, HalfAt(block, 0), -16, -0f); break;
            case GgmlType.Q5_1: Fives(block[8..], UInt32At(block, 4), values, HalfAt(block, 0), 0, HalfAt(block, 2)); break;
            case GgmlType.Q4_K: Q4K(block, values); break;
            case GgmlType.Q6_K: Q6K(block, values); break;
            default: throw new NotSupportedException($"{GgmlTypes.Of(type).Name} data are not decoded here.");
        }
    }

    private static void Q8(ReadOnlySpan<byte> block, Span<float> values)
    {
        var scale = HalfAt(block, 0);
        for (var i = 0; i < 32; i++) values[i] = (sbyte)block[2 + i] * scale;
    }

    // The low nibbles are the first half of the block, the high ones the second.
    private static void Nibbles(ReadOnlySpan<byte> quants, Span<float> values, float scale, int bias)
    {
        for (var i = 0; i < 16; i++)
        {
            values[i] = ((quants[i] & 15) + bias) * scale;
            values[i + 16] = ((quants[i] >> 4) + bias) * scale;
        }
    }

    private static void NibblesAndMinimum(ReadOnlySpan<byte> quants, Span<float> values, float scale, float minimum)
    {
        for (var i = 0; i < 16; i++)
        {
            values[i] = ((quants[i] & 15) * scale) + minimum;
            values[i + 16] = ((quants[i] >> 4) * scale) + minimum;
        }
    }

    private static void Fives(ReadOnlySpan<byte> quants, uint fifthBits, Span<float> values, float scale, int bias, float minimum)
    {
        for (var i = 0; i < 16; i++)
        {
            var low = (quants[i] & 15) | (int)((fifthBits >> i) & 1) << 4;
            var high = (quants[i] >> 4) | (int)((fifthBits >> (i + 16)) & 1) << 4;
            values[i] = ((low + bias) * scale) + minimum;
            values[i + 16] = ((high + bias) * scale) + minimum;
        }
    }

    // 8 sub-blocks of 32, each with a 6-bit scale and minimum packed in 12 bytes.
    private static void Q4K(ReadOnlySpan<byte> block, Span<float> values)
    {
        var (scale, minimum) = (HalfAt(block, 0), HalfAt(block, 2));
        var packed = block.Slice(4, 12);
        var quants = block[16..];
        for (var pair = 0; pair < 4; pair++)
        {
            var (scaleLow, minimumLow) = Packed6(packed, 2 * pair);
            var (scaleHigh, minimumHigh) = Packed6(packed, (2 * pair) + 1);
            var (d1, m1, d2, m2) = (scale * scaleLow, minimum * minimumLow, scale * scaleHigh, minimum * minimumHigh);
            for (var i = 0; i < 32; i++)
            {
                var quant = quants[(32 * pair) + i];
                values[(64 * pair) + i] = (d1 * (quant & 15)) - m1;
                values[(64 * pair) + 32 + i] = (d2 * (quant >> 4)) - m2;
            }
        }
    }

    private static (int Scale, int Minimum) Packed6(ReadOnlySpan<byte> packed, int index) => index < 4
        ? (packed[index] & 63, packed[index + 4] & 63)
        : ((packed[index + 4] & 15) | (packed[index - 4] >> 6 << 4), (packed[index + 4] >> 4) | (packed[index] >> 6 << 4));

    // Two halves of 128; within each, element 32 k + i takes its low bits from a nibble and its high two from bit pair k.
    private static void Q6K(ReadOnlySpan<byte> block, Span<float> values)
    {
        var scale = HalfAt(block, 208);
        for (var half = 0; half < 2; half++)
        {
            var low = block.Slice(64 * half, 64);
            var high = block.Slice(128 + (32 * half), 32);
            var scales = block.Slice(192 + (8 * half), 8);
            for (var part = 0; part < 4; part++)
            {
                for (var i = 0; i < 32; i++)
                {
                    var nibble = part < 2 ? low[(32 * part) + i] & 15 : low[(32 * (part - 2)) + i] >> 4;
                    var quant = (nibble | (((high[i] >> (2 * part)) & 3) << 4)) - 32;
                    values[(128 * half) + (32 * part) + i] = scale * (sbyte)scales[(2 * part) + (i / 16)] * quant;
                }
            }
        }
    }

    private static float HalfAt(ReadOnlySpan<byte> block, int offset) => (float)MemoryMarshal.Read<Half>(block[offset..]);

    private static uint UInt32At(ReadOnlySpan<byte> block, int offset) => MemoryMarshal.Read<uint>(block[offset..]);
}
