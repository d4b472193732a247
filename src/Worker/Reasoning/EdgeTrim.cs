using System.Text;

namespace FinerCut.Worker.Reasoning;

/// <summary>Leaves out white space at the edges of a text that arrives in pieces. Not thread-safe.</summary>
internal sealed class EdgeTrim
{
    private readonly StringBuilder _space = new();
    private bool _started;

    /// <param name="trimStart">Whether leading white space goes too.</param>
    public EdgeTrim(bool trimStart) => _started = !trimStart;

    public void Append(char next, StringBuilder into)
    {
        if (char.IsWhiteSpace(next))
        {
            if (_started) _space.Append(next);
            return;
        }

        _started = true;
        into.Append(_space).Append(next);
        _space.Clear();
    }

    public void Append(StringBuilder text, StringBuilder into)
    {
        for (var i = 0; i < text.Length; i++) Append(text[i], into);
    }

    /// <summary>The text went on after all: held white space belongs to it.</summary>
    public void Release(StringBuilder into)
    {
        into.Append(_space);
        _space.Clear();
    }

    /// <summary>The text ended; what follows is trimmed at its start as well.</summary>
    public void Restart()
    {
        _space.Clear();
        _started = false;
    }
}
