using System.Text;
using System.Text.Json;
using FinerCut.Worker.Grammars;
using FinerCut.Worker.Reasoning;

namespace FinerCut.Worker.Tools;

/// <summary>
/// &lt;tool_call&gt;&lt;function=name&gt;&lt;parameter=key&gt;value&lt;/parameter&gt;...&lt;/function&gt;&lt;/tool_call&gt;. Values are plain text: a
/// string where the tool's schema says so or where they are no JSON. A parameter is handed on when it is complete.
/// </summary>
internal sealed class QwenXmlParser(AnswerSink sink, Func<string, ToolDefinition?> find) : IToolCallParser
{
    private const string Function = "<function=";
    private const string Open = "<tool_call>";

    private enum Place { Text, Function, Name, Body, Key, Value, Behind }

    private readonly MarkerScanner _text = new(Open, Function);
    private readonly MarkerScanner _function = new(Function);
    private readonly MarkerScanner _body = new("<parameter=", "</function>");
    private readonly MarkerScanner _value = new("</parameter>");
    private readonly MarkerScanner _behind = new("</tool_call>", Open, Function);
    private readonly StringBuilder _free = new();
    private readonly StringBuilder _word = new();
    private readonly StringBuilder _kept = new();
    private readonly TextAround _around = new(sink);
    private ToolDefinition? _tool;
    private string _key = "";
    private bool _hasParameter;
    private Place _place = Place.Text;

    public int Completed { get; private set; }

    public void Push(char next)
    {
        switch (_place)
        {
            case Place.Text:
                Marked(_text.Push(next, _free), Place.Text);
                break;
            case Place.Function:
                if (_function.Push(next, _free) == 0) _place = Place.Name;
                _kept.Append(_free);
                if (_place == Place.Name) _kept.Append(Function);
                else if (_free.ToString().Trim().Length > 0) GiveUp();
                _free.Clear();
                break;
            case Place.Name when next == '>' && _word.Length > 0:
                Begin();
                break;
            case Place.Name:
                _word.Append(next);
                if (next is '<' or '\n') GiveUp();
                break;
            case Place.Body:
                var part = _body.Push(next, _free);
                _free.Clear();
                if (part == 0) _place = Place.Key;
                if (part == 1) End();
                break;
            case Place.Key when next == '>':
                _key = _word.ToString().Trim();
                _word.Clear();
                _place = Place.Value;
                break;
            case Place.Key:
                _word.Append(next);
                break;
            case Place.Value:
                if (_value.Push(next, _word) == 0) Parameter();
                break;
            default:
                Behind(next);
                break;
        }
    }

    public void Finish()
    {
        if (_place == Place.Text) _text.Flush(_free);
        if (_place == Place.Function) _function.Flush(_kept);
        if (_place is Place.Function or Place.Name) GiveUp();
        _around.Add(_free);
        _around.Finish();
    }

    private void Marked(int marker, Place otherwise)
    {
        _around.Add(_free);
        _kept.Clear();
        if (marker >= 0) _kept.Append(marker == 0 ? Open : Function);
        _place = marker switch { 0 => Place.Function, 1 => Place.Name, _ => otherwise };
    }

    private void Begin()
    {
        var name = _word.ToString().Trim();
        _word.Clear();
        _kept.Clear();
        _around.CallBegan();
        _tool = find(name);
        _hasParameter = false;
        sink.Call(name);
        sink.Arguments("{");
        _place = Place.Body;
    }

    private void Parameter()
    {
        if (_word.Length > 0 && _word[0] == '\n') _word.Remove(0, 1);
        if (_word.Length > 0 && _word[^1] == '\n') _word.Length--;
        sink.Arguments((_hasParameter ? ", " : "") + JsonSpelling.Value(_key) + ": " + Value(_word.ToString()));
        _hasParameter = true;
        _word.Clear();
        _place = Place.Body;
    }

    private string Value(string text)
    {
        var isText = _tool?.Parameters is { ValueKind: JsonValueKind.Object } schema
            && schema.TryGetProperty("properties", out var properties) && properties.ValueKind == JsonValueKind.Object
            && properties.TryGetProperty(_key, out var property) && property.ValueKind == JsonValueKind.Object
            && property.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("string");
        if (isText) return JsonSpelling.Value(text);
        try
        {
            using var value = JsonDocument.Parse(text);
            return text.Trim();
        }
        catch (JsonException)
        {
            return JsonSpelling.Value(text);
        }
    }

    private void End()
    {
        sink.Arguments("}");
        Completed++;
        _place = Place.Behind;
    }

    private void Behind(char next)
    {
        var marker = _behind.Push(next, _free);
        if (marker == 0)
        {
            _free.Clear();
            _place = Place.Text;
        }
        else if (marker > 0)
        {
            _free.Clear();
            Marked(marker - 1, Place.Behind);
        }
        else if (_free.ToString().Trim().Length > 0)
        {
            _behind.Flush(_free);
            _around.Add(_free);
            _place = Place.Text;
        }

        _free.Clear();
    }

    private void GiveUp()
    {
        _kept.Append(_word);
        _word.Clear();
        _around.Add(_kept);
        _place = Place.Text;
    }
}
