using System.Buffers.Binary;
using System.Security.Cryptography;

namespace FinerCut.Gateway.Recording;

/// <summary>
/// The random part of recording, seeded and pure. A conversation gets a priority from the seed and its number; a full reservoir keeps the
/// smallest priorities. Every conversation is so kept with the same chance, whatever came before or after it (bottom-k sampling), and no counter
/// but the number has to survive a restart.
/// </summary>
public static class Sampling
{
    /// <summary>Uniform over all longs; SplitMix64 of seed and number.</summary>
    public static long Priority(int seed, long number)
    {
        var z = unchecked((ulong)seed * 0xD1342543DE82EF95UL + (ulong)number * 0x9E3779B97F4A7C15UL + 0x9E3779B97F4A7C15UL);
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EBUL);
        return unchecked((long)(z ^ (z >> 31)));
    }

    /// <summary>Order in which a job of this seed draws a conversation: the same for the same seed and prompt.</summary>
    public static ulong DrawOrder(int seed, ReadOnlySpan<byte> promptHash)
    {
        Span<byte> input = stackalloc byte[4 + promptHash.Length];
        BinaryPrimitives.WriteInt32LittleEndian(input, seed);
        promptHash.CopyTo(input[4..]);
        return BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(input));
    }
}
