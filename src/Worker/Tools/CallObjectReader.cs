using System.Text;

namespace FinerCut.Worker.Tools;

/// <summary>
/// Reads {"name": ..., "arguments": {...}} while it is generated. Members may come in any order; "parameters" is taken for arguments, a
/// function's own object is looked into, other members are passed over. Arguments given as a string of JSON are unpacked. The call is announced
/// as soon as its name is known.
/// </summary>
/// <param name="isName">Whether a name is one that counts.</param>
/// <param name="isStrict">Whether a member that calls do not have shows that this is none.</param>
internal sealed class CallObjectReader(AnswerSink sink, Func<string, bool> isName, bool isStrict)
{
    private enum Place { Open, Key, KeyText, Colon, Value, Name, Arguments, ArgumentsText, Other, After }

    private readonly StringBuilder _text = new();
    private readonly StringBuilder _waiting = new();
    private Place _place = Place.Open;
    private JsonTextReader _string = new();
    private JsonValueScan _scan = new();
    private string _key = "";
    private int _depth;
    private bool _hasArguments;

    /// <summary>The call was announced: it cannot be taken back.</summary>
    public bool HasBegun { get; private set; }

    public JsonStep Push(char next)
    {
        switch (_place)
        {
            case Place.KeyText or Place.Name:
                return Text(next);
            case Place.ArgumentsText:
                return ArgumentsText(next);
            case Place.Arguments or Place.Other:
                return Scan(next);
        }

        if (char.IsWhiteSpace(next)) return JsonStep.More;
        switch (_place, next)
        {
            case (Place.Open, '{'):
                _depth++;
                _place = Place.Key;
                return JsonStep.More;
            case (Place.Key, '"'):
                _place = Place.KeyText;
                return JsonStep.More;
            case (Place.Colon, ':'):
                _place = Place.Value;
                return JsonStep.More;
            case (Place.After, ','):
                _place = Place.Key;
                return JsonStep.More;
            case (Place.Key or Place.After, '}'):
                return Close();
            case (Place.Value, _):
                return Value(next);
            default:
                return JsonStep.Broken;
        }
    }

    private JsonStep Close()
    {
        _place = Place.After;
        if (--_depth > 0) return JsonStep.More;
        if (!HasBegun) return JsonStep.Broken;
        if (!_hasArguments) sink.Arguments("{}");
        return JsonStep.Done;
    }

    private JsonStep Value(char next)
    {
        if (_key is "name" or "function" && next == '"' && !HasBegun)
        {
            _place = Place.Name;
            return JsonStep.More;
        }

        if (_key == "function" && next == '{')
        {
            _depth++;
            _place = Place.Key;
            return JsonStep.More;
        }

        var isArguments = _key is "arguments" or "parameters" && !_hasArguments;
        if (!isArguments && isStrict && _key is not ("type" or "id" or "name" or "arguments" or "parameters")) return JsonStep.Broken;
        if (isArguments && next == '"')
        {
            _place = Place.ArgumentsText;
            return JsonStep.More;
        }

        _scan = new JsonValueScan();
        _place = isArguments && next is '{' or '[' ? Place.Arguments : Place.Other;
        return Scan(next);
    }

    private JsonStep Text(char next)
    {
        switch (_string.Push(next))
        {
            case JsonStep.Char:
                _text.Append(_string.Value);
                return JsonStep.More;
            case JsonStep.Done:
                var text = _text.ToString();
                _text.Clear();
                _string = new JsonTextReader();
                if (_place == Place.KeyText)
                {
                    _key = text;
                    _place = Place.Colon;
                    return JsonStep.More;
                }

                _place = Place.After;
                return Begin(text);
            case JsonStep.Broken:
                return JsonStep.Broken;
            default:
                return JsonStep.More;
        }
    }

    private JsonStep Begin(string name)
    {
        // {"type": "function", "function": "name"}: only a name that counts.
        if (!isName(name)) return JsonStep.Broken;
        HasBegun = true;
        sink.Call(name);
        if (_waiting.Length > 0) sink.Arguments(_waiting.ToString());
        _waiting.Clear();
        return JsonStep.More;
    }

    private JsonStep ArgumentsText(char next)
    {
        switch (_string.Push(next))
        {
            case JsonStep.Char:
                Argument(_string.Value);
                return JsonStep.More;
            case JsonStep.Done:
                _string = new JsonTextReader();
                _place = Place.After;
                return JsonStep.More;
            case JsonStep.Broken:
                return JsonStep.Broken;
            default:
                return JsonStep.More;
        }
    }

    private JsonStep Scan(char next)
    {
        var step = _scan.Push(next);
        if (step == JsonStep.Broken) return step;
        if (_place == Place.Arguments) Argument(next);
        if (step is JsonStep.More) return step;
        _place = Place.After;
        return step == JsonStep.DoneBefore ? Push(next) : JsonStep.More;
    }

    private void Argument(char next)
    {
        _hasArguments = true;
        if (HasBegun) sink.Arguments(next);
        else _waiting.Append(next);
    }
}
