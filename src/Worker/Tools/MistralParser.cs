using System.Text;
using FinerCut.Worker.Reasoning;

namespace FinerCut.Worker.Tools;

/// <summary>
/// A marker, then a list of call objects: [TOOL_CALLS][{...}, {...}] or functools[{...}]; one object without a list is taken too. Behind
/// [TOOL_CALLS] also the newer form name[CALL_ID]id[ARGS]{...}, each call with its own marker.
/// </summary>
internal sealed class MistralParser : IToolCallParser
{
    private enum Place { Text, Marked, List, Call, Between, Name, CallId, Arguments }

    private readonly string _marker;
    private readonly MarkerScanner _text;
    private readonly MarkerScanner _name = new("[ARGS]", "[CALL_ID]");
    private readonly StringBuilder _free = new();
    private readonly StringBuilder _held = new();
    private readonly AnswerSink _sink;
    private readonly TextAround _around;
    private readonly CallAttempt _attempt;
    private readonly bool _takesNames;
    private JsonValueScan _scan = new();
    private bool _inList;
    private Place _place = Place.Text;

    public MistralParser(AnswerSink sink, string marker, bool takesNames)
    {
        _sink = sink;
        _marker = marker;
        _takesNames = takesNames;
        _text = new MarkerScanner(marker);
        _around = new TextAround(sink);
        _attempt = new CallAttempt(sink, _around, name => name.Length > 0, isStrict: false);
    }

    public int Completed { get; private set; }

    public void Push(char next)
    {
        switch (_place)
        {
            case Place.Text:
                var found = _text.Push(next, _free) == 0;
                _around.Add(_free);
                if (!found) break;
                _attempt.Start(_marker);
                _held.Clear();
                _place = Place.Marked;
                break;
            case Place.Marked or Place.List or Place.Between:
                Between(next);
                break;
            case Place.Call:
                Call(next);
                break;
            case Place.Name or Place.CallId:
                Name(next);
                break;
            case Place.Arguments:
                Arguments(next);
                break;
        }
    }

    public void Finish()
    {
        if (_place == Place.Text) _text.Flush(_free);
        _around.Add(_free);
        if (_place is Place.Name or Place.CallId)
        {
            _name.Flush(_held);
            GiveUpName();
        }

        if (_place is Place.Marked or Place.List or Place.Call) _attempt.GiveUp();
        _around.Finish();
    }

    private void Between(char next)
    {
        if (char.IsWhiteSpace(next))
        {
            if (_place != Place.Between) _attempt.Keep(next);
            return;
        }

        switch (next)
        {
            case '[' when _place == Place.Marked:
                _inList = true;
                _attempt.Keep(next);
                _place = Place.List;
                break;
            case '{' when _place is Place.Marked or Place.List:
                _place = Place.Call;
                Call(next);
                break;
            case ',' when _place == Place.Between:
                _attempt.Start("");
                _place = Place.List;
                break;
            case ']' when _place is Place.Between or Place.List:
                _attempt.Drop();
                _place = Place.Text;
                break;
            default:
                if (_place == Place.Marked && _takesNames && (char.IsAsciiLetterOrDigit(next) || next is '_' or '-' or '.'))
                {
                    _place = Place.Name;
                    Name(next);
                    break;
                }

                if (_place != Place.Between)
                {
                    _attempt.Keep(next);
                    _attempt.GiveUp();
                }
                else
                {
                    _around.Add(next);
                }

                _place = Place.Text;
                break;
        }
    }

    private void Call(char next)
    {
        var step = _attempt.Push(next);
        if (step == JsonStep.Done)
        {
            Completed++;
            _place = _inList ? Place.Between : Place.Text;
        }
        else if (step == JsonStep.Broken)
        {
            _place = Place.Text;
        }
    }

    private void Name(char next)
    {
        var found = _name.Push(next, _held);
        if (found < 0)
        {
            // A name goes on for so long only where the marker was text after all.
            if (_place == Place.Name && (_held.Length > 64 || (_held.Length > 0 && char.IsWhiteSpace(_held[^1])))) GiveUpName();
            return;
        }

        if (_place == Place.Name)
        {
            _around.CallBegan();
            _sink.Call(_held.ToString());
            _attempt.Drop();
        }

        _held.Clear();
        _scan = new JsonValueScan();
        _place = found == 0 ? Place.Arguments : Place.CallId;
    }

    private void GiveUpName()
    {
        if (_place == Place.Name)
        {
            for (var i = 0; i < _held.Length; i++) _attempt.Keep(_held[i]);
            _attempt.GiveUp();
        }

        _held.Clear();
        _place = Place.Text;
    }

    private void Arguments(char next)
    {
        var step = _scan.Push(next);
        if (step is JsonStep.More or JsonStep.Done && !(char.IsWhiteSpace(next) && _held.Length == 0))
        {
            if (_held.Length == 0) _held.Append(next);
            _sink.Arguments(next);
        }

        if (step == JsonStep.More) return;
        if (_held.Length == 0) _sink.Arguments("{}");
        _held.Clear();
        Completed++;
        _place = Place.Text;
        if (step != JsonStep.Done) Push(next);
    }
}
