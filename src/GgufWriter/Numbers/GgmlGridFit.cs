using System.Runtime.InteropServices;

namespace FinerCut.Gguf;

/// <summary>
/// Scales for new blocks: a grid (<see cref="GgmlGrid"/>) that spans given weights, so that quants can be chosen on it afterwards, each making up for the
/// rounding of others. Scales lie as ggml's reference quantisers lay them (ggml-quants.c), but that Q4_1 and Q5_1 leave the farthest weights outside where that brings the others nearer. Pure and
/// thread-safe.
/// </summary>
public static class GgmlGridFit
{
    /// <summary>Of half the weights' range: where an end of the grid may lie.</summary>
    private static readonly float[] EndShares = [1, 0.93f, 0.86f, 0.79f];

    /// <summary>Whole blocks whose scales span the weights; their quants stand for no weight yet.</summary>
    /// <param name="type">One that <see cref="GgmlGrid.Covers"/>.</param>
    /// <param name="weights">Whole blocks of them.</param>
    /// <exception cref="ArgumentException">The weights are no whole blocks.</exception>
    /// <exception cref="GgufWriteException">A weight is no number, or beyond what the type's scales hold.</exception>
    public static byte[] Blocks(GgmlType type, ReadOnlySpan<float> weights)
    {
        var info = GgmlTypes.Of(type);
        if (weights.Length % info.BlockSize != 0) throw new ArgumentException($"{weights.Length} weights are no whole blocks of {info.Name}, which are {info.BlockSize} wide.", nameof(weights));
        foreach (var weight in weights)
        {
            if (!float.IsFinite(weight)) throw new GgufWriteException(GgufWriteCause.ValueUnfit, null, $"the value {weight} does not fit in {info.Name}");
        }

        var data = new byte[weights.Length / info.BlockSize * info.TypeSize];
        for (var block = 0; block < data.Length / info.TypeSize; block++)
        {
            Fit(type, weights.Slice(block * info.BlockSize, info.BlockSize), data.AsSpan(block * info.TypeSize, info.TypeSize));
        }

        return data;
    }

    private static void Fit(GgmlType type, ReadOnlySpan<float> weights, Span<byte> block)
    {
        switch (type)
        {
            case GgmlType.Q8_0: Put(block, Math.Abs(Extreme(weights)) / 127); break;
            case GgmlType.Q4_0: Put(block, Extreme(weights) / -8); break;
            case GgmlType.Q5_0: Put(block, Extreme(weights) / -16); break;
            case GgmlType.Q4_1: Spanned(block, weights, 15); break;
            case GgmlType.Q5_1: Spanned(block, weights, 31); break;
            case GgmlType.Q4_K: Fours(weights, block); break;
            case GgmlType.Q6_K: Sixes(weights, block); break;
            default: throw new NotSupportedException($"{GgmlTypes.Of(type).Name} blocks are not made here.");
        }
    }

    private static void Spanned(Span<byte> block, ReadOnlySpan<float> weights, int steps)
    {
        var (least, most) = BestEnds(weights, steps);
        Put(block, (most - least) / steps);
        Put(block[2..], least);
    }

    /// <summary>Of a few pairs of ends, the whole range's among them, the one with the least squared error.</summary>
    private static (float Least, float Most) BestEnds(ReadOnlySpan<float> weights, int steps)
    {
        var (least, most) = Range(weights);
        var middle = (least + most) / 2;
        var (best, fewest) = ((least, most), float.PositiveInfinity);
        foreach (var below in EndShares)
        {
            foreach (var above in EndShares)
            {
                var (from, to) = (middle + ((least - middle) * below), middle + ((most - middle) * above));
                var error = Error(weights, from, (to - from) / steps, steps);
                if (error < fewest) (best, fewest) = ((from, to), error);
            }
        }

        return best;
    }

    private static float Error(ReadOnlySpan<float> weights, float offset, float scale, int steps)
    {
        if (scale <= 0) return float.PositiveInfinity;
        var sum = 0f;
        foreach (var weight in weights)
        {
            var off = weight - offset - (scale * Math.Clamp(MathF.Round((weight - offset) / scale), 0, steps));
            sum += off * off;
        }

        return sum;
    }

    /// <summary>Eight sub-blocks of a scale and a minimum of 6 bits each, packed into 12 bytes (get_scale_min_k4).</summary>
    private static void Fours(ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<float> scales = stackalloc float[8], minima = stackalloc float[8];
        for (var sub = 0; sub < 8; sub++)
        {
            var (least, most) = Range(weights.Slice(32 * sub, 32));
            minima[sub] = Math.Max(0, -least);
            scales[sub] = Math.Max(0, most + minima[sub]) / 15;
        }

        var (scale, minimum) = (Put(block, Largest(scales) / 63), Put(block[2..], Largest(minima) / 63));
        var packed = block.Slice(4, 12);
        for (var sub = 0; sub < 8; sub++)
        {
            // Upwards, so that the span stays within reach.
            var (s, m) = (Up(scales[sub], scale), Up(minima[sub], minimum));
            if (sub < 4)
            {
                packed[sub] |= s;
                packed[sub + 4] |= m;
            }
            else
            {
                packed[sub + 4] |= (byte)((s & 15) | ((m & 15) << 4));
                packed[sub - 4] |= (byte)((s >> 4) << 6);
                packed[sub] |= (byte)((m >> 4) << 6);
            }
        }
    }

    /// <summary>Sixteen sub-blocks with a signed scale of 8 bits each.</summary>
    private static void Sixes(ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<float> scales = stackalloc float[16];
        var largest = 0f;
        for (var sub = 0; sub < 16; sub++)
        {
            scales[sub] = Extreme(weights.Slice(16 * sub, 16)) / -32;
            largest = Math.Max(largest, Math.Abs(scales[sub]));
        }

        var scale = Put(block[208..], largest / 127);
        for (var sub = 0; sub < 16; sub++) block[192 + sub] = (byte)(sbyte)(scale == 0 ? 0 : Math.Clamp(MathF.Round(scales[sub] / scale), -127, 127));
    }

    private static byte Up(float value, float unit) => (byte)(unit == 0 ? 0 : Math.Clamp(MathF.Ceiling((value / unit) - 1e-3f), 0, 63));

    private static float Largest(ReadOnlySpan<float> values)
    {
        var largest = 0f;
        foreach (var value in values) largest = Math.Max(largest, value);
        return largest;
    }

    /// <summary>The value farthest from 0, with its sign.</summary>
    private static float Extreme(ReadOnlySpan<float> values)
    {
        var extreme = 0f;
        foreach (var value in values) extreme = Math.Abs(value) > Math.Abs(extreme) ? value : extreme;
        return extreme;
    }

    private static (float Least, float Most) Range(ReadOnlySpan<float> values)
    {
        var (least, most) = (values[0], values[0]);
        foreach (var value in values) (least, most) = (Math.Min(least, value), Math.Max(most, value));
        return (least, most);
    }

    private static float Put(Span<byte> block, float value)
    {
        var half = (Half)value;
        if (!Half.IsFinite(half)) throw new GgufWriteException(GgufWriteCause.ValueUnfit, null, $"the scale {value} does not fit in f16");
        MemoryMarshal.Write(block, in half);
        return (float)half;
    }
}
