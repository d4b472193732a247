using System.Text;

namespace FinerCut.Worker.Tools;

/// <summary>
/// {"tool_call": {...}}, {"tool_calls": [{...}, ...]} or {"response": "text"}: what the grammar for models without a form of their own forces.
/// Anything else is text.
/// </summary>
internal sealed class GenericParser : IToolCallParser
{
    private enum Place { Open, Key, KeyText, Colon, Response, List, Call, End, Text }

    private readonly StringBuilder _raw = new();
    private readonly StringBuilder _text = new();
    private readonly JsonTextReader _response = new();
    private readonly TextAround _around;
    private readonly AnswerSink _sink;
    private readonly Func<string, bool> _isTool;
    private CallObjectReader? _call;
    private JsonTextReader _keyReader = new();
    private string _key = "";
    private Place _place = Place.Open;

    public GenericParser(AnswerSink sink, Func<string, bool> isTool)
    {
        _sink = sink;
        _isTool = isTool;
        _around = new TextAround(sink);
    }

    public int Completed { get; private set; }

    public void Push(char next)
    {
        switch (_place)
        {
            case Place.Text:
                _around.Add(next);
                return;
            case Place.Response:
                Response(next);
                return;
            case Place.Call:
                Call(next);
                return;
            case Place.End:
                return;
        }

        _raw.Append(next);
        if (_place == Place.KeyText) KeyText(next);
        else if (!char.IsWhiteSpace(next)) Punctuation(next);
    }

    public void Finish()
    {
        // Behind a call what is left is the beginning of another one that was cut off.
        if (_place is not (Place.End or Place.Response) && (Completed == 0 || _place == Place.Text)) _around.Add(_raw);
        _around.Finish();
    }

    private void Punctuation(char next)
    {
        switch (_place, next)
        {
            case (Place.Open, '{'):
                _place = Place.Key;
                break;
            case (Place.Key, '"'):
                _keyReader = new JsonTextReader();
                _place = Place.KeyText;
                break;
            case (Place.Colon, ':'):
                _place = Place.List;
                break;
            case (Place.List, '"') when _key == "response":
                _place = Place.Response;
                _raw.Clear();
                break;
            case (Place.List, '{') when _key is "tool_call" or "tool_calls":
                _call = new CallObjectReader(_sink, _isTool, isStrict: false);
                _place = Place.Call;
                _raw.Length--;
                Call(next);
                break;
            case (Place.List, '[') when _key == "tool_calls" && Completed == 0:
            case (Place.List, ',') when _key == "tool_calls" && Completed > 0:
                break;
            case (Place.List, ']' or '}') when Completed > 0:
                _raw.Clear();
                _place = Place.End;
                break;
            default:
                GiveUp();
                break;
        }
    }

    private void KeyText(char next)
    {
        switch (_keyReader.Push(next))
        {
            case JsonStep.Char:
                _text.Append(_keyReader.Value);
                break;
            case JsonStep.Done:
                _key = _text.ToString();
                _text.Clear();
                _place = Place.Colon;
                if (_key is not ("response" or "tool_call" or "tool_calls")) GiveUp();
                break;
            case JsonStep.Broken:
                GiveUp();
                break;
        }
    }

    private void Response(char next)
    {
        switch (_response.Push(next))
        {
            case JsonStep.Char:
                _text.Append(_response.Value);
                _sink.Content(_text);
                break;
            case JsonStep.Done or JsonStep.Broken:
                _place = Place.End;
                break;
        }
    }

    private void Call(char next)
    {
        var had = _call!.HasBegun;
        if (!had) _raw.Append(next);
        var step = _call.Push(next);
        if (_call.HasBegun && !had) _raw.Clear();
        if (step == JsonStep.Broken && !_call.HasBegun)
        {
            GiveUp();
        }
        else if (step != JsonStep.More)
        {
            Completed++;
            _place = _key == "tool_calls" && step == JsonStep.Done ? Place.List : Place.End;
        }
    }

    private void GiveUp()
    {
        _place = Place.Text;
        _around.Add(_raw);
    }
}
