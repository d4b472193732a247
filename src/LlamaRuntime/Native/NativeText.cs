using System.Text;

namespace FinerCut.Runtime.Native;

/// <summary>Texts of functions that write like snprintf: they return the length that they would need.</summary>
internal static unsafe class NativeText
{
    internal delegate int ReadEntry(int index, byte* buffer, nuint size);

    internal delegate int ReadText(byte* buffer, nuint size);

    internal static Dictionary<string, string> Pairs(int count, ReadEntry key, ReadEntry value)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            var index = i;
            pairs[Read((buffer, size) => key(index, buffer, size))] = Read((buffer, size) => value(index, buffer, size));
        }

        return pairs;
    }

    internal static string Read(ReadText read)
    {
        Span<byte> room = stackalloc byte[512];
        fixed (byte* small = room)
        {
            var length = read(small, (nuint)room.Length);
            if (length < 0) return string.Empty;
            if (length < room.Length) return Encoding.UTF8.GetString(room[..length]);
            var large = new byte[length + 1];
            fixed (byte* buffer = large)
                return Encoding.UTF8.GetString(large, 0, Math.Min(read(buffer, (nuint)large.Length), length));
        }
    }
}
