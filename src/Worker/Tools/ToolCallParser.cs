using System.Text;
using FinerCut.Worker.Reasoning;

namespace FinerCut.Worker.Tools;

/// <summary>Reads calls out of an answer, character by character: the result is the same for every way of cutting the text.</summary>
internal interface IToolCallParser
{
    void Push(char next);

    /// <summary>The answer ends here; what was held is handed on.</summary>
    void Finish();

    /// <summary>Calls that are complete.</summary>
    int Completed { get; }
}

/// <summary>The text around calls. White space next to a call belongs to neither.</summary>
internal sealed class TextAround(AnswerSink sink)
{
    private readonly EdgeTrim _trim = new(trimStart: false);
    private readonly StringBuilder _sure = new();

    /// <summary>Takes the text over and clears it.</summary>
    public void Add(StringBuilder text)
    {
        _trim.Append(text, _sure);
        text.Clear();
        sink.Content(_sure);
    }

    public void Add(char next)
    {
        _trim.Append(next, _sure);
        sink.Content(_sure);
    }

    public void CallBegan() => _trim.Restart();

    public void Finish()
    {
        _trim.Release(_sure);
        sink.Content(_sure);
    }
}

/// <summary>What looks like a call but may not be one: kept until it is certain, and given back as text where it is none.</summary>
internal sealed class CallAttempt(AnswerSink sink, TextAround around, Func<string, bool> isName, bool isStrict)
{
    private readonly StringBuilder _raw = new();
    private CallObjectReader? _reader;

    public bool HasBegun => _reader?.HasBegun == true;

    public void Start(string marker)
    {
        _raw.Append(marker);
        _reader = null;
    }

    /// <summary>Keeps a character that belongs to the attempt but not to the call's object.</summary>
    public void Keep(char next) => _raw.Append(next);

    /// <summary>Reads on; Broken = it was no call (its text is handed on), or one that went wrong.</summary>
    public JsonStep Push(char next)
    {
        _reader ??= new CallObjectReader(sink, isName, isStrict);
        var had = _reader.HasBegun;
        if (!had) _raw.Append(next);
        var step = _reader.Push(next);
        if (_reader.HasBegun && !had)
        {
            around.CallBegan();
            _raw.Clear();
        }

        if (step == JsonStep.Broken && !_reader.HasBegun) GiveUp();
        if (step != JsonStep.More) _reader = step == JsonStep.Broken ? _reader : null;
        return step;
    }

    /// <summary>It is no call: hands its text on.</summary>
    public void GiveUp()
    {
        if (!HasBegun) around.Add(_raw);
        _raw.Clear();
    }

    /// <summary>The marker led to calls already: what was kept belongs to none.</summary>
    public void Drop() => _raw.Clear();
}
