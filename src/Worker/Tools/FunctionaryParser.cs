using System.Text;
using FinerCut.Worker.Reasoning;

namespace FinerCut.Worker.Tools;

/// <summary>A call's arguments where they stand as bare JSON behind its name. Not thread-safe.</summary>
/// <param name="end">A character that cannot begin them: none are given.</param>
internal sealed class CallArguments(AnswerSink sink, char? end = null)
{
    private readonly JsonValueScan _scan = new();
    private bool _any;

    /// <summary>True once they are complete; then <paramref name="isPast"/> tells whether the character stands behind them.</summary>
    public bool Push(char next, out bool isPast)
    {
        isPast = false;
        if (char.IsWhiteSpace(next) && !_any) return false;
        var step = next == end && !_any ? JsonStep.Broken : _scan.Push(next);
        if (step is JsonStep.More or JsonStep.Done)
        {
            _any = true;
            sink.Arguments(next);
        }

        if (step == JsonStep.More) return false;
        if (!_any) sink.Arguments("{}");
        isPast = step != JsonStep.Done;
        return true;
    }
}

/// <summary>&lt;function=name&gt;{...}&lt;/function&gt;, with text around.</summary>
internal sealed class FunctionaryTagsParser(AnswerSink sink) : IToolCallParser
{
    private const string Open = "<function=";

    private enum Place { Text, Name, Arguments, Behind }

    private readonly MarkerScanner _text = new(Open);
    private readonly MarkerScanner _close = new("</function>");
    private readonly StringBuilder _free = new();
    private readonly StringBuilder _name = new();
    private readonly TextAround _around = new(sink);
    private CallArguments _arguments = new(sink, end: '<');
    private Place _place = Place.Text;

    public int Completed { get; private set; }

    public void Push(char next)
    {
        switch (_place)
        {
            case Place.Text:
                if (_text.Push(next, _free) == 0) _place = Place.Name;
                _around.Add(_free);
                break;
            case Place.Name when next == '>' && _name.Length > 0:
                _around.CallBegan();
                sink.Call(_name.ToString());
                _name.Clear();
                _arguments = new CallArguments(sink, end: '<');
                _place = Place.Arguments;
                break;
            case Place.Name:
                _name.Append(next);
                if (!char.IsAsciiLetterOrDigit(next) && next is not ('_' or '-' or '.')) GiveUp();
                break;
            case Place.Arguments:
                Arguments(next);
                break;
            default:
                if (_close.Push(next, _free) == 0) _place = Place.Text;
                _free.Clear();
                break;
        }
    }

    public void Finish()
    {
        if (_place == Place.Text) _text.Flush(_free);
        if (_place == Place.Name) GiveUp();
        _around.Add(_free);
        _around.Finish();
    }

    private void Arguments(char next)
    {
        if (!_arguments.Push(next, out var isPast)) return;
        Completed++;
        _place = Place.Behind;
        if (isPast) Push(next);
    }

    private void GiveUp()
    {
        _around.Add(new StringBuilder(Open).Append(_name));
        _name.Clear();
        _place = Place.Text;
    }
}

/// <summary>
/// Messages to recipients: a name, a line break, then text for "all" or arguments for a tool; "&gt;&gt;&gt;" begins the next. The prompt ends
/// with the first "&gt;&gt;&gt;".
/// </summary>
internal sealed class FunctionaryRecipientsParser(AnswerSink sink, Func<string, bool> isTool) : IToolCallParser
{
    private const string Open = ">>>";

    private enum Place { Name, Text, Arguments, Behind }

    private readonly MarkerScanner _text = new(Open);
    private readonly StringBuilder _free = new();
    private readonly StringBuilder _name = new();
    private readonly TextAround _around = new(sink);
    private CallArguments _arguments = new(sink);
    private bool _isFirst = true;
    private Place _place = Place.Name;

    public int Completed { get; private set; }

    public void Push(char next)
    {
        switch (_place)
        {
            case Place.Name when next == '\n' && _name.ToString().Trim() is { Length: > 0 } name && (name == "all" || isTool(name)):
                Recipient(name);
                break;
            case Place.Name:
                _name.Append(next);
                if (next == '\n' || _name.Length > 80) GiveUp();
                break;
            case Place.Arguments:
                Arguments(next);
                break;
            default:
                if (_text.Push(next, _free) == 0)
                {
                    Freed();
                    _place = Place.Name;
                }
                else
                {
                    Freed();
                }

                break;
        }
    }

    public void Finish()
    {
        if (_place == Place.Name) GiveUp();
        _text.Flush(_free);
        Freed();
        _around.Finish();
    }

    private void Freed()
    {
        if (_place == Place.Text) _around.Add(_free);
        _free.Clear();
    }

    private void Recipient(string name)
    {
        _name.Clear();
        _isFirst = false;
        if (name == "all")
        {
            _place = Place.Text;
            return;
        }

        _around.CallBegan();
        sink.Call(name);
        _arguments = new CallArguments(sink);
        _place = Place.Arguments;
    }

    private void Arguments(char next)
    {
        if (!_arguments.Push(next, out var isPast)) return;
        Completed++;
        _place = Place.Behind;
        if (isPast) Push(next);
    }

    /// <summary>No recipient: text, with the marker unless the prompt had it.</summary>
    private void GiveUp()
    {
        _around.Add(new StringBuilder(_isFirst ? "" : Open).Append(_name));
        _name.Clear();
        _isFirst = false;
        _place = Place.Text;
    }
}
