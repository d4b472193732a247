using System.Text;

namespace FinerCut.Worker.Tools;

/// <summary>Collects the pieces of an answer; neighbouring ones of a kind become one. Not thread-safe.</summary>
internal sealed class AnswerSink(IToolCallIds ids)
{
    private readonly List<AnswerDelta> _deltas = [];
    private readonly StringBuilder _text = new();
    private AnswerPart _part = AnswerPart.Content;

    /// <summary>Calls begun so far.</summary>
    public int Calls { get; private set; }

    public void Reasoning(StringBuilder text) => Add(AnswerPart.Reasoning, text);

    public void Content(StringBuilder text) => Add(AnswerPart.Content, text);

    public void Call(string name)
    {
        Close();
        _deltas.Add(new AnswerDelta(AnswerPart.Call, name, Calls++, ids.Next()));
    }

    public void Arguments(char piece)
    {
        Open(AnswerPart.Arguments);
        _text.Append(piece);
    }

    public void Arguments(string piece)
    {
        Open(AnswerPart.Arguments);
        _text.Append(piece);
    }

    /// <summary>What came since the last time.</summary>
    public IReadOnlyList<AnswerDelta> Take()
    {
        Close();
        if (_deltas.Count == 0) return [];
        AnswerDelta[] taken = [.. _deltas];
        _deltas.Clear();
        return taken;
    }

    /// <summary>Takes the text over and clears it.</summary>
    private void Add(AnswerPart part, StringBuilder text)
    {
        if (text.Length == 0) return;
        Open(part);
        _text.Append(text);
        text.Clear();
    }

    private void Open(AnswerPart part)
    {
        if (part != _part) Close();
        _part = part;
    }

    private void Close()
    {
        if (_text.Length == 0) return;
        _deltas.Add(new AnswerDelta(_part, _text.ToString(), _part == AnswerPart.Arguments ? Calls - 1 : 0));
        _text.Clear();
    }
}
