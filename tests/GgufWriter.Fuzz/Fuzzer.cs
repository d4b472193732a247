using System.Buffers.Binary;
using System.Diagnostics;

namespace FinerCut.Gguf.Fuzz;

/// <summary>Breaks sound files where it hurts (counts, lengths, types, dimensions, offsets) and where it doesn't, one to four times each.</summary>
public sealed class Fuzzer(int seed)
{
    private static readonly ulong[] Interesting =
    [
        0, 1, 2, 3, 4, 5, 7, 8, 9, 13, 31, 32, 33, 63, 64, 255, 256, 512, 513, 4096, 65535, 65536, 1 << 20, int.MaxValue, 1UL << 31, uint.MaxValue,
        1UL << 32, 1UL << 40, (1UL << 58) + 1, (1UL << 60) + 1, (1UL << 61) + 1, (1UL << 62) - 1, 1UL << 62, (1UL << 62) + 4, (1UL << 63) - 33, (1UL << 63) - 1,
        1UL << 63, ulong.MaxValue / 14, (ulong.MaxValue / 33) + 1, (ulong.MaxValue / 8) + 1, (ulong.MaxValue / 4) + 1, ulong.MaxValue - 31, ulong.MaxValue - 7, ulong.MaxValue,
    ];

    private readonly Random _random = new(seed);
    private byte[] _base = [];
    private SlowWalk? _walk;

    public int Inputs { get; private set; }

    public int Accepted { get; private set; }

    public TimeSpan Longest { get; private set; }

    public Dictionary<GgufCause, int> Causes { get; } = [];

    public byte[] Input { get; private set; } = [];

    /// <summary>One input; null where all promises were kept.</summary>
    public Exception? Step()
    {
        if (Inputs % 200 == 0)
        {
            _base = RandomFile.Make(_random);
            _walk = SlowWalk.Over(_base);
        }
        Input = [.. _base];
        Inputs++;
        for (var i = _random.Next(1, 5); i > 0; i--) Mutate();
        var clock = Stopwatch.StartNew();
        try
        {
            if (Exercise.Run(Input) is { } cause) Causes[cause] = Causes.GetValueOrDefault(cause) + 1;
            else Accepted++;
        }
        catch (Exception e)
        {
            return e;
        }
        if (clock.Elapsed > Longest) Longest = clock.Elapsed;
        return clock.Elapsed > TimeSpan.FromSeconds(1) ? new TimeoutException($"took {clock.Elapsed}") : null;
    }

    private void Mutate()
    {
        var field = _walk!.Fields[_random.Next(_walk.Fields.Count)];
        switch (_random.Next(10))
        {
            case 0: Flip(_random.Next(Input.Length)); break;
            case 1: Input = Input[.._random.Next(1, Input.Length + 1)]; break;
            case 2: Insert(_random.Next(Input.Length), _random.Next(1, 40)); break;
            case 3: Delete(_random.Next(Input.Length), _random.Next(1, 40)); break;
            case 4: Repeat(field); break;
            case 5: Splice(field); break;
            default: Number(field); break;
        }
        if (Input.Length == 0) Input = [0];
    }

    private void Number(Field field)
    {
        if (field.Size is not (4 or 8) || field.Offset + field.Size > Input.Length)
        {
            if (field.Size > 0 && field.Offset < Input.Length) Flip(Math.Min(Input.Length - 1, field.Offset + _random.Next(field.Size)));
            return;
        }
        var place = Input.AsSpan(field.Offset, field.Size);
        var old = field.Size == 4 ? BinaryPrimitives.ReadUInt32LittleEndian(place) : BinaryPrimitives.ReadUInt64LittleEndian(place);
        var value = _random.Next(5) switch
        {
            0 => old + 1,
            1 => old - 1,
            2 => old * 2,
            3 => (ulong)Input.Length + (ulong)_random.Next(64) - 32,
            _ => Interesting[_random.Next(Interesting.Length)],
        };
        if (field.Size == 4) BinaryPrimitives.WriteUInt32LittleEndian(place, (uint)value);
        else BinaryPrimitives.WriteUInt64LittleEndian(place, value);
    }

    private void Flip(int at)
    {
        if (at < Input.Length) Input[at] ^= (byte)(1 << _random.Next(8));
    }

    private void Insert(int at, int count)
    {
        var bytes = new byte[count];
        _random.NextBytes(bytes);
        Input = [.. Input[..at], .. bytes, .. Input[at..]];
    }

    private void Delete(int at, int count) => Input = [.. Input[..at], .. Input[Math.Min(Input.Length, at + count)..]];

    /// <summary>A stretch that begins at a field a second time: doubled keys, doubled tensors.</summary>
    private void Repeat(Field field)
    {
        if (field.Offset >= Input.Length) return;
        var end = Math.Min(Input.Length, field.Offset + _random.Next(8, 120));
        Input = [.. Input[..end], .. Input[field.Offset..end], .. Input[end..]];
    }

    /// <summary>A field's bytes over another's.</summary>
    private void Splice(Field field)
    {
        var other = _walk!.Fields[_random.Next(_walk.Fields.Count)];
        var count = Math.Min(Math.Min(field.Size, other.Size), Math.Min(Input.Length - field.Offset, Input.Length - other.Offset));
        if (count > 0) Input.AsSpan(field.Offset, count).ToArray().CopyTo(Input.AsSpan(other.Offset));
    }
}
