using System.Text;
using FinerCut.Worker.Reasoning;

namespace FinerCut.Worker.Tools;

/// <summary>&lt;tool_call&gt;{"name": ..., "arguments": {...}}&lt;/tool_call&gt;, any number of them, with text between.</summary>
internal sealed class HermesParser : IToolCallParser
{
    private const string Open = "<tool_call>";

    private enum Place { Text, Call, Behind }

    private readonly MarkerScanner _text = new(Open);
    private readonly MarkerScanner _behind = new(Open, "</tool_call>");
    private readonly StringBuilder _free = new();
    private readonly TextAround _around;
    private readonly CallAttempt _attempt;
    private Place _place = Place.Text;

    public HermesParser(AnswerSink sink)
    {
        _around = new TextAround(sink);
        _attempt = new CallAttempt(sink, _around, name => name.Length > 0, isStrict: false);
    }

    public int Completed { get; private set; }

    public void Push(char next)
    {
        switch (_place)
        {
            case Place.Text:
                if (_text.Push(next, _free) == 0) StartCall();
                else _around.Add(_free);
                break;
            case Place.Call:
                var step = _attempt.Push(next);
                if (step == JsonStep.Done) Completed++;
                if (step == JsonStep.Broken && !_attempt.HasBegun) _place = Place.Text;
                else if (step != JsonStep.More) _place = Place.Behind;
                break;
            default:
                Behind(next);
                break;
        }
    }

    public void Finish()
    {
        if (_place == Place.Text) _text.Flush(_free);
        else if (_place == Place.Call) _attempt.GiveUp();
        _around.Add(_free);
        _around.Finish();
    }

    private void StartCall()
    {
        _around.Add(_free);
        _attempt.Start(Open);
        _place = Place.Call;
    }

    /// <summary>Up to the closing tag; models leave it out, or write a bracket too many.</summary>
    private void Behind(char next)
    {
        switch (_behind.Push(next, _free))
        {
            case 0:
                _free.Clear();
                StartCall();
                break;
            case 1:
                _free.Clear();
                _place = Place.Text;
                break;
            default:
                for (var i = 0; i < _free.Length; i++)
                {
                    if (char.IsWhiteSpace(_free[i]) || _free[i] is '}' or ']') continue;
                    _free.Remove(0, i);
                    _place = Place.Text;
                    _behind.Flush(_free);
                    _around.Add(_free);
                    break;
                }

                _free.Clear();
                break;
        }
    }
}
