using System.Runtime.InteropServices;

namespace FinerCut.Gguf;

/// <summary>Floats to tensor data of F32, F16 or Q8_0, bit for bit as ggml's reference quantisers. Pure and thread-safe.</summary>
public static class GgmlEncoder
{
    public static bool CanEncode(GgmlType type) => type is GgmlType.F32 or GgmlType.F16 or GgmlType.Q8_0;

    /// <exception cref="NotSupportedException">The type cannot be encoded.</exception>
    /// <exception cref="ArgumentException">The lengths do not belong together.</exception>
    /// <exception cref="GgufWriteException">A value is no number, or beyond what the type holds.</exception>
    public static void Encode(GgmlType type, ReadOnlySpan<float> values, Span<byte> destination)
    {
        var info = GgmlTypes.Of(type);
        if (values.Length % info.BlockSize != 0 || destination.Length != values.Length / info.BlockSize * (long)info.TypeSize)
        {
            throw new ArgumentException($"{values.Length} elements of {info.Name} are not {destination.Length} bytes.", nameof(destination));
        }
        switch (type)
        {
            case GgmlType.F32:
                MemoryMarshal.AsBytes(values).CopyTo(destination);
                break;
            case GgmlType.F16:
                var halves = MemoryMarshal.Cast<byte, Half>(destination);
                for (var i = 0; i < values.Length; i++)
                {
                    halves[i] = (Half)values[i];
                    if (!Half.IsFinite(halves[i])) throw Unfit(values[i], "f16");
                }
                break;
            case GgmlType.Q8_0:
                for (var block = 0; block < values.Length / 32; block++) Q8(values.Slice(block * 32, 32), destination.Slice(block * 34, 34));
                break;
            default:
                throw new NotSupportedException($"{info.Name} data are not made here.");
        }
    }

    public static byte[] Encode(GgmlType type, ReadOnlySpan<float> values)
    {
        var info = GgmlTypes.Of(type);
        var bytes = new byte[values.Length / info.BlockSize * info.TypeSize];
        Encode(type, values, bytes);
        return bytes;
    }

    private static void Q8(ReadOnlySpan<float> values, Span<byte> block)
    {
        var largest = 0f;
        foreach (var value in values)
        {
            if (!float.IsFinite(value)) throw Unfit(value, "q8_0");
            largest = MathF.Max(largest, MathF.Abs(value));
        }
        var scale = largest / 127;
        var half = (Half)scale;
        if (!Half.IsFinite(half)) throw Unfit(largest, "q8_0");
        MemoryMarshal.Write(block, in half);
        var inverse = scale == 0 ? 0 : 1 / scale;
        for (var i = 0; i < 32; i++) block[2 + i] = (byte)(sbyte)MathF.Round(values[i] * inverse, MidpointRounding.AwayFromZero);
    }

    private static GgufWriteException Unfit(float value, string type) => new(GgufWriteCause.ValueUnfit, null, $"the value {value} does not fit in {type}");
}
