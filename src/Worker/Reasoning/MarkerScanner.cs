using System.Collections.Immutable;
using System.Text;

namespace FinerCut.Worker.Reasoning;

/// <summary>
/// Finds markers in text that arrives in pieces of any size. What may still become a marker is held; the rest is handed on at once. No
/// marker may be the beginning of another. Not thread-safe.
/// </summary>
internal sealed class MarkerScanner
{
    private readonly ImmutableArray<string> _markers;
    private readonly StringBuilder _held = new();

    public MarkerScanner(params ImmutableArray<string> markers) => _markers = markers;

    /// <summary>Takes one character and appends what is certainly no marker. Index of the marker that this character completes, else -1.</summary>
    public int Push(char next, StringBuilder free)
    {
        _held.Append(next);
        while (_held.Length > 0)
        {
            var open = false;
            for (var i = 0; i < _markers.Length; i++)
            {
                if (!Begins(_markers[i])) continue;
                if (_markers[i].Length == _held.Length)
                {
                    _held.Clear();
                    return i;
                }

                open = true;
            }

            if (open) return -1;
            free.Append(_held[0]);
            _held.Remove(0, 1);
        }

        return -1;
    }

    /// <summary>The text ends here: what was held is no marker.</summary>
    public void Flush(StringBuilder free)
    {
        free.Append(_held);
        _held.Clear();
    }

    private bool Begins(string marker)
    {
        if (marker.Length < _held.Length) return false;
        for (var i = 0; i < _held.Length; i++)
        {
            if (_held[i] != marker[i]) return false;
        }

        return true;
    }
}
