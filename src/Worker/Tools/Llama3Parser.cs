using System.Text;
using FinerCut.Worker.Reasoning;

namespace FinerCut.Worker.Tools;

/// <summary>
/// {"name": ..., "parameters": {...}} at the answer's beginning or behind &lt;|python_tag|&gt;; further ones may follow, parted by white space, a
/// comma or a semicolon. Since nothing marks a call, only the name of a tool makes one.
/// </summary>
internal sealed class Llama3Parser : IToolCallParser
{
    private const string Tag = "<|python_tag|>";

    private enum Place { Start, Text, Call }

    private readonly MarkerScanner _tag = new(Tag);
    private readonly StringBuilder _free = new();
    private readonly TextAround _around;
    private readonly CallAttempt _attempt;
    private Place _place = Place.Start;

    public Llama3Parser(AnswerSink sink, Func<string, bool> isTool)
    {
        _around = new TextAround(sink);
        _attempt = new CallAttempt(sink, _around, isTool, isStrict: true);
    }

    public int Completed { get; private set; }

    public void Push(char next)
    {
        switch (_place)
        {
            case Place.Start:
                if (_tag.Push(next, _free) == 0)
                {
                    foreach (var letter in Tag) _attempt.Keep(letter);
                }

                var loose = _free.ToString();
                _free.Clear();
                foreach (var letter in loose) Loose(letter);
                break;
            case Place.Text:
                var found = _tag.Push(next, _free) == 0;
                _around.Add(_free);
                if (!found) break;
                _attempt.Start(Tag);
                _place = Place.Start;
                break;
            case Place.Call:
                Call(next);
                break;
        }
    }

    public void Finish()
    {
        if (_place is Place.Start or Place.Text)
        {
            _tag.Flush(_free);
            if (_place == Place.Start && Completed == 0) _attempt.GiveUp();
            _around.Add(_free);
        }

        if (_place == Place.Call) _attempt.GiveUp();
        _around.Finish();
    }

    /// <summary>A character that belongs to no marker.</summary>
    private void Loose(char next)
    {
        if (_place == Place.Call || (_place == Place.Start && next == '{'))
        {
            _place = Place.Call;
            Call(next);
        }
        else if (_place == Place.Text)
        {
            _around.Add(next);
        }
        else if (char.IsWhiteSpace(next) || (Completed > 0 && next is ',' or ';'))
        {
            if (Completed == 0) _attempt.Keep(next);
        }
        else
        {
            _attempt.GiveUp();
            _place = Place.Text;
            _around.Add(next);
        }
    }

    private void Call(char next)
    {
        var step = _attempt.Push(next);
        if (step == JsonStep.Done) Completed++;
        if (step == JsonStep.Done) _place = Place.Start;
        else if (step == JsonStep.Broken) _place = Place.Text;
    }
}
