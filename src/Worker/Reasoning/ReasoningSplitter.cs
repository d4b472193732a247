using System.Text;

namespace FinerCut.Worker.Reasoning;

/// <summary>
/// Separates an answer into reasoning and content while it is generated. Reasoning counts only at the answer's start (white space may
/// precede it); a tag later on is content. White space around the reasoning and before the content that follows it is left out. The result is
/// the same for every way of cutting the text. Not thread-safe.
/// </summary>
public sealed class ReasoningSplitter
{
    private enum Place { Start, Inside, Behind, Content }

    private readonly ReasoningTags _tags;
    private readonly MarkerScanner _close;
    private readonly EdgeTrim _trim = new(trimStart: true);
    private readonly StringBuilder _start = new();
    private readonly StringBuilder _free = new();
    private readonly bool _startsInside;
    private Place _place = Place.Start;

    /// <param name="startsInside">The prompt opened the reasoning (<see cref="ReasoningTags.IsOpenAtEnd"/>).</param>
    public ReasoningSplitter(ReasoningTags tags, bool startsInside)
    {
        ArgumentNullException.ThrowIfNull(tags);
        _tags = tags;
        _startsInside = startsInside;
        _close = new MarkerScanner(tags.Close);
    }

    /// <summary>Whether the text so far ends inside reasoning.</summary>
    public bool IsInside => _place == Place.Inside || (_place == Place.Start && _startsInside);

    /// <summary>Takes a piece and appends what has become certain.</summary>
    public void Push(ReadOnlySpan<char> text, StringBuilder reasoning, StringBuilder content)
    {
        ArgumentNullException.ThrowIfNull(reasoning);
        ArgumentNullException.ThrowIfNull(content);
        foreach (var next in text)
        {
            switch (_place)
            {
                case Place.Start:
                    Start(next, reasoning, content);
                    break;
                case Place.Inside:
                    Inside(next, reasoning);
                    break;
                case Place.Behind when char.IsWhiteSpace(next):
                    break;
                default:
                    _place = Place.Content;
                    content.Append(next);
                    break;
            }
        }
    }

    /// <summary>The answer ends here. Reasoning that was never closed stays reasoning.</summary>
    public void Finish(StringBuilder reasoning, StringBuilder content)
    {
        ArgumentNullException.ThrowIfNull(reasoning);
        ArgumentNullException.ThrowIfNull(content);
        if (_place == Place.Start && !_startsInside) content.Append(_start);
        else if (_place == Place.Start) Replay(reasoning);
        if (_place != Place.Inside) return;
        _close.Flush(_free);
        _trim.Append(_free, reasoning);
        _free.Clear();
    }

    private void Start(char next, StringBuilder reasoning, StringBuilder content)
    {
        _start.Append(next);
        var first = 0;
        while (first < _start.Length && char.IsWhiteSpace(_start[first])) first++;
        var length = _start.Length - first;
        for (var i = 0; i < length; i++)
        {
            if (i < _tags.Open.Length && _start[first + i] == _tags.Open[i]) continue;
            if (_startsInside)
            {
                Replay(reasoning);
                return;
            }

            _place = Place.Content;
            content.Append(_start);
            return;
        }

        // Also where the prompt opened it: some models open it once more.
        if (length == _tags.Open.Length) _place = Place.Inside;
    }

    /// <summary>What looked like an opening tag was reasoning already.</summary>
    private void Replay(StringBuilder reasoning)
    {
        _place = Place.Inside;
        for (var i = 0; i < _start.Length; i++) Inside(_start[i], reasoning);
    }

    private void Inside(char next, StringBuilder reasoning)
    {
        var found = _close.Push(next, _free);
        _trim.Append(_free, reasoning);
        _free.Clear();
        if (found >= 0) _place = Place.Behind;
    }
}
