using System.Buffers.Binary;
using System.Runtime.InteropServices;
using FinerCut.Gguf;

namespace FinerCut.TestModels;

/// <summary>Random tensor data of about the given standard deviation and mean zero, made directly as blocks: no quantiser is needed.</summary>
internal static class RandomWeights
{
    public static float Normal(Random random) =>
        (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));

    public static byte[] Make(Random random, GgmlType type, long count, double deviation)
    {
        var info = GgmlTypes.Of(type);
        if (count % info.BlockSize != 0) throw new ArgumentException($"{count} elements are no whole blocks of {info.Name}.", nameof(count));
        var bytes = new byte[count / info.BlockSize * info.TypeSize];
        if (type == GgmlType.F32)
        {
            foreach (ref var value in MemoryMarshal.Cast<byte, float>(bytes.AsSpan())) value = (float)deviation * Normal(random);
            return bytes;
        }
        if (type == GgmlType.F16)
        {
            foreach (ref var value in MemoryMarshal.Cast<byte, Half>(bytes.AsSpan())) value = (Half)(deviation * Normal(random));
            return bytes;
        }
        if (type == GgmlType.BF16)
        {
            foreach (ref var value in MemoryMarshal.Cast<byte, ushort>(bytes.AsSpan()))
            {
                value = (ushort)(BitConverter.SingleToUInt32Bits((float)deviation * Normal(random)) >> 16);
            }
            return bytes;
        }
        random.NextBytes(bytes);
        for (var start = 0; start < bytes.Length; start += info.TypeSize) SetScales(bytes.AsSpan(start, info.TypeSize), type, deviation * (0.8 + (0.4 * random.NextDouble())));
        return bytes;
    }

    /// <summary>Quants stay uniformly random; the scales make them values of the wanted spread (deviation of uniform quants: range / sqrt 12).</summary>
    private static void SetScales(Span<byte> block, GgmlType type, double deviation)
    {
        switch (type)
        {
            case GgmlType.Q8_0:
                Half(block, 0, deviation / 73.9);
                break;
            case GgmlType.Q4_0:
                Half(block, 0, deviation / 4.61);
                break;
            case GgmlType.Q4_1:
                Half(block, 0, deviation / 4.61);
                Half(block, 2, -7.5 * deviation / 4.61);
                break;
            case GgmlType.Q5_0:
                Half(block, 0, deviation / 9.23);
                break;
            case GgmlType.Q5_1:
                Half(block, 0, deviation / 9.23);
                Half(block, 2, -15.5 * deviation / 9.23);
                break;
            case GgmlType.Q4_K or GgmlType.Q5_K:
                // Sub-block scales and minima are uniform 6-bit numbers.
                var quants = type == GgmlType.Q4_K ? 15 : 31;
                var step = deviation / (36.5 * quants / Math.Sqrt(12) * 1.6);
                Half(block, 0, step);
                Half(block, 2, step * quants / 2);
                break;
            case GgmlType.Q6_K:
                Half(block, 208, deviation / (73.9 * 18.5));
                break;
            default:
                throw new NotSupportedException($"Tiny models have no {GgmlTypes.Of(type).Name} weights.");
        }
    }

    private static void Half(Span<byte> block, int offset, double value) => BinaryPrimitives.WriteHalfLittleEndian(block[offset..], (Half)value);
}
