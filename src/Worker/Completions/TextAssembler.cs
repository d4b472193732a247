using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using System.Text.Unicode;

namespace FinerCut.Worker.Completions;

/// <summary>
/// Turns the bytes of tokens into text that may be sent: whole UTF-8 characters only, and nothing of a stop string, which may begin in one
/// token and end in another. Not thread-safe; allocates nothing once its buffer has grown to the longest stop string.
/// </summary>
/// <param name="stops">Stop strings as UTF-8, none of them empty.</param>
public sealed class TextAssembler(ImmutableArray<byte[]> stops)
{
    private byte[] _held = new byte[64];
    private int _count;

    /// <summary>Index of the stop string that ended the text, -1 while none did.</summary>
    public int MatchedStop { get; private set; } = -1;

    /// <summary>Bytes that wait for what comes next: the beginning of a stop string or of a character.</summary>
    public int HeldBytes => _count;

    /// <summary>Adds a token's bytes and writes what has become certain. True once a stop string is complete: the text is at its end then.</summary>
    public bool Append(ReadOnlySpan<byte> piece, IBufferWriter<byte> destination)
    {
        if (MatchedStop >= 0) return true;
        if (_held.Length < _count + piece.Length) Array.Resize(ref _held, Math.Max(_held.Length * 2, _count + piece.Length));
        piece.CopyTo(_held.AsSpan(_count));
        _count += piece.Length;
        var held = _held.AsSpan(0, _count);

        var end = FindStop(held);
        if (MatchedStop >= 0)
        {
            Write(held[..end], destination);
            _count = 0;
            return true;
        }

        var sure = _count - Math.Max(StopPrefixLength(held), IncompleteLength(held));
        Write(held[..sure], destination);
        held[sure..].CopyTo(_held);
        _count -= sure;
        return false;
    }

    /// <summary>Writes what was held back for a stop string that never came. The beginning of a character is dropped: it has no text.</summary>
    public void Finish(IBufferWriter<byte> destination)
    {
        if (MatchedStop >= 0) return;
        var held = _held.AsSpan(0, _count);
        Write(held[..^IncompleteLength(held)], destination);
        _count = 0;
    }

    /// <summary>
    /// Where the stop string begins that is complete first (the longest of those that end together): the same however the text was cut into
    /// tokens. -1 where none is complete.
    /// </summary>
    private int FindStop(ReadOnlySpan<byte> text)
    {
        int first = -1, firstEnd = int.MaxValue;
        for (var i = 0; i < stops.Length; i++)
        {
            var at = text.IndexOf(stops[i]);
            var end = at + stops[i].Length;
            if (at < 0 || end > firstEnd || (end == firstEnd && at >= first)) continue;
            (first, firstEnd, MatchedStop) = (at, end, i);
        }

        return first;
    }

    /// <summary>Length of the longest end of the text that is the beginning of a stop string.</summary>
    private int StopPrefixLength(ReadOnlySpan<byte> text)
    {
        var longest = 0;
        foreach (var stop in stops)
        {
            for (var length = Math.Min(stop.Length - 1, text.Length); length > longest; length--)
            {
                if (!text.EndsWith(stop.AsSpan(0, length))) continue;
                longest = length;
                break;
            }
        }

        return longest;
    }

    /// <summary>Length of the beginning of a character at the text's end, 0 where the last character is whole.</summary>
    private static int IncompleteLength(ReadOnlySpan<byte> text)
    {
        for (var length = 1; length <= Math.Min(3, text.Length); length++)
        {
            var value = text[^length];
            if ((value & 0xC0) == 0x80) continue;
            var needed = value switch { >= 0xF5 => 1, >= 0xF0 => 4, >= 0xE0 => 3, >= 0xC2 => 2, _ => 1 };
            return needed > length ? length : 0;
        }

        return 0;
    }

    /// <summary>Copies the bytes; what is no UTF-8 becomes U+FFFD.</summary>
    private static void Write(ReadOnlySpan<byte> bytes, IBufferWriter<byte> destination)
    {
        if (bytes.IsEmpty) return;
        if (Utf8.IsValid(bytes))
        {
            destination.Write(bytes);
            return;
        }

        Span<byte> character = stackalloc byte[4];
        while (!bytes.IsEmpty)
        {
            // On broken input this gives U+FFFD and the length to skip.
            _ = Rune.DecodeFromUtf8(bytes, out var rune, out var consumed);
            destination.Write(character[..rune.EncodeToUtf8(character)]);
            bytes = bytes[consumed..];
        }
    }
}
