using System.Text;
using FinerCut.Worker.Tools;

namespace FinerCut.Worker.Chats;

/// <summary>One answer on its way from UTF-8 to reasoning, content and calls. Not thread-safe.</summary>
internal sealed class AnswerText(AnswerReader reader)
{
    private char[] _chars = new char[64];

    public bool HasCalls => reader.Calls > 0;

    /// <param name="utf8">Whole characters.</param>
    public IReadOnlyList<AnswerDelta> Push(ReadOnlySpan<byte> utf8)
    {
        if (_chars.Length < utf8.Length) _chars = new char[utf8.Length * 2];
        return reader.Push(_chars.AsSpan(0, Encoding.UTF8.GetChars(utf8, _chars)));
    }

    public IReadOnlyList<AnswerDelta> Finish() => reader.Finish();

    /// <summary>A whole answer at once.</summary>
    public AnswerMessage Whole(ReadOnlySpan<byte> utf8) => AnswerMessage.From([.. Push(utf8), .. Finish()]);
}
