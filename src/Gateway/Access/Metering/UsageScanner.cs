using System.Text.Json;

namespace FinerCut.Gateway.Access.Metering;

/// <summary>
/// Finds an answer's usage in its bytes as they go by, in pieces of any size, and keeps none of its text: OpenAI's and Anthropic's usage objects and
/// llama-server's timings, in a JSON body or in server-sent events. Only members of the answer itself count, never what a model wrote into
/// its text. Where none comes, events are counted. Never throws; one caller.
/// </summary>
public sealed class UsageScanner(bool isEventStream)
{
    private const int LongestUsage = 4096;
    private const int LongestName = 16;

    private static ReadOnlySpan<byte> Done => "[DONE]"u8;

    private readonly JsonMembers _json = new(LongestName, LongestUsage);
    private readonly byte[] _prefix = new byte[5];
    private int _linePosition;
    private bool _inData = !isEventStream;
    private bool _isDone;
    private int _doneMatched;
    private long _events;
    private long _prompt = -1;
    private long _completion = -1;

    /// <summary>True once the answer has said what it used, or that it is over.</summary>
    public bool IsFinal => _isDone || _completion >= 0;

    /// <summary>Whether the end of the events was marked.</summary>
    public bool IsDone => _isDone;

    /// <summary>Events with data so far; about the tokens that were sent.</summary>
    public long Events => _events;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            if (!isEventStream) Take(value);
            else TakeOfEvents(value);
        }
    }

    /// <summary>Prompt and completion; what was not said is taken from the estimate and from the events.</summary>
    public long Total(long promptEstimate) => (_prompt >= 0 ? _prompt : promptEstimate) + (_completion >= 0 ? _completion : Math.Max(0, _events));

    private void TakeOfEvents(byte value)
    {
        if (value is (byte)'\n' or (byte)'\r')
        {
            if (_inData && _linePosition > _prefix.Length && _doneMatched != Done.Length) _events++;
            _isDone |= _inData && _doneMatched == Done.Length;
            (_linePosition, _inData, _doneMatched) = (0, false, 0);
            _json.Reset();
            return;
        }

        if (_linePosition < _prefix.Length)
        {
            _prefix[_linePosition++] = value;
            _inData = _linePosition == _prefix.Length && _prefix.AsSpan().SequenceEqual("data:"u8);
            return;
        }

        _linePosition++;
        if (!_inData) return;
        if (_doneMatched >= 0 && _doneMatched < Done.Length) _doneMatched = value == Done[_doneMatched] ? _doneMatched + 1 : value == ' ' && _doneMatched == 0 ? 0 : -1;
        Take(value);
    }

    private void Take(byte value)
    {
        if (_json.Take(value) is not { } member) return;
        try
        {
            using var usage = JsonDocument.Parse(member.Value);
            if (usage.RootElement.ValueKind != JsonValueKind.Object) return;
            if (member.Name == "usage") ReadUsage(usage.RootElement);
            else ReadTimings(usage.RootElement); // In every event where the client asks for that: the greatest counts.
        }
        catch (JsonException)
        {
            // Not an object that can be read: the events tell.
        }
    }

    private void ReadUsage(JsonElement usage)
    {
        var prompt = Number(usage, "prompt_tokens") ?? Number(usage, "input_tokens");
        if (prompt is not null) prompt += (Number(usage, "cache_creation_input_tokens") ?? 0) + (Number(usage, "cache_read_input_tokens") ?? 0);
        _prompt = Math.Max(_prompt, prompt ?? -1);
        var total = Number(usage, "total_tokens");
        _completion = Math.Max(_completion, Number(usage, "completion_tokens") ?? Number(usage, "output_tokens") ?? (prompt is not null && total is not null ? total.Value - prompt.Value : -1));
    }

    private void ReadTimings(JsonElement timings)
    {
        if (Number(timings, "predicted_n") is not { } predicted) return;
        _prompt = Math.Max(_prompt, (Number(timings, "prompt_n") ?? 0) + (Number(timings, "cache_n") ?? 0));
        _completion = Math.Max(_completion, predicted);
    }

    private static long? Number(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= 0 ? number : null;
}
