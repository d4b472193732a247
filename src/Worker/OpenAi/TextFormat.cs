using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using FinerCut.Worker.Batching;

namespace FinerCut.Worker.OpenAi;

/// <summary>text_completion, whole and in events (which have the same shape).</summary>
/// <param name="echoes">Text to put before each choice's answer; empty = none.</param>
internal sealed class TextFormat(AnswerHead head, AnswerFields fields, ImmutableArray<string> echoes, TokenTexts texts) : IAnswerFormat
{
    private const string Kind = "text_completion";
    private readonly Dictionary<int, EventFrames> _frames = [];
    private readonly Dictionary<int, int> _offsets = [];

    public void Open(IBufferWriter<byte> stream, int choice)
    {
        if (Echo(choice) is { Length: > 0 } echo) Frames(choice).Write(stream, Encoding.UTF8.GetBytes(echo));
    }

    public void Report(IBufferWriter<byte> stream, int choice, PromptProgress progress) => EventFrames.Write(stream, json =>
    {
        json.WriteStartObject();
        head.Write(json, Kind);
        json.WriteStartArray("choices");
        WriteChoice(json, choice, () => json.WriteString("text", ""), [], null);
        json.WriteEndArray();
        AnswerJson.Progress(json, progress);
        json.WriteEndObject();
    });

    public void Append(IBufferWriter<byte> stream, int choice, Parcel parcel)
    {
        if (fields.TopLogprobs is null && parcel.Figures is null)
        {
            Frames(choice).Write(stream, parcel.Text.WrittenSpan);
            return;
        }

        EventFrames.Write(stream, json =>
        {
            json.WriteStartObject();
            head.Write(json, Kind);
            json.WriteStartArray("choices");
            WriteChoice(json, choice, () => json.WriteString("text", parcel.Text.WrittenSpan), parcel.Logprobs, null);
            json.WriteEndArray();
            if (parcel.Figures is { } figures) AnswerJson.Timings(json, figures);
            json.WriteEndObject();
        });
    }

    public void Close(IBufferWriter<byte> stream, int choice, GenerationEnd end) => EventFrames.Write(stream, json =>
    {
        json.WriteStartObject();
        head.Write(json, Kind);
        json.WriteStartArray("choices");
        WriteChoice(json, choice, () => json.WriteString("text", ""), [], AnswerJson.FinishReason(end));
        json.WriteEndArray();
        AnswerJson.Timings(json, end.Figures);
        json.WriteEndObject();
    });

    public void Complete(IBufferWriter<byte> stream, IReadOnlyList<GenerationEnd> ends) => AnswerJson.Complete(stream, head, Kind, fields, ends);

    public void Whole(IBufferWriter<byte> body, IReadOnlyList<Answer> answers) => OpenAiJson.Write(body, json =>
    {
        json.WriteStartObject();
        head.Write(json, Kind);
        json.WriteStartArray("choices");
        foreach (var answer in answers)
        {
            var text = Echo(answer.Choice) + Encoding.UTF8.GetString(answer.Text.Span);
            WriteChoice(json, answer.Choice, () => json.WriteString("text", text), answer.Logprobs, AnswerJson.FinishReason(answer.End));
        }

        json.WriteEndArray();
        AnswerJson.Usage(json, answers.Select(answer => answer.End), fields.Choices);
        AnswerJson.Timings(json, answers[0].End.Figures);
        json.WriteEndObject();
    });

    private string Echo(int choice) => echoes.IsEmpty ? "" : echoes[choice / fields.Choices];

    private EventFrames Frames(int choice)
    {
        if (_frames.TryGetValue(choice, out var frames)) return frames;
        return _frames[choice] = new EventFrames((json, mark) =>
        {
            json.WriteStartObject();
            head.Write(json, Kind);
            json.WriteStartArray("choices");
            WriteChoice(json, choice, () => json.WriteString("text", mark), [], null);
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    private void WriteChoice(Utf8JsonWriter json, int choice, Action text, IReadOnlyList<TokenLogprob> logprobs, string? finish)
    {
        json.WriteStartObject();
        json.WriteNumber("index", choice);
        text();
        if (fields.TopLogprobs is null || logprobs.Count == 0) json.WriteNull("logprobs");
        else WriteLogprobs(json, choice, logprobs);
        json.WriteString("finish_reason", finish);
        json.WriteEndObject();
    }

    /// <summary>OpenAI's older form: parallel arrays, alternatives by text, offsets into the answer's text.</summary>
    private void WriteLogprobs(Utf8JsonWriter json, int choice, IReadOnlyList<TokenLogprob> entries)
    {
        var tokens = entries.Select(entry => Text(entry.Token)).ToArray();
        json.WriteStartObject("logprobs");
        json.WriteStartArray("tokens");
        foreach (var token in tokens) json.WriteStringValue(token);
        json.WriteEndArray();
        json.WriteStartArray("token_logprobs");
        foreach (var entry in entries) json.WriteNumberValue(Finite(entry.Logprob));
        json.WriteEndArray();
        json.WriteStartArray("top_logprobs");
        foreach (var entry in entries)
        {
            json.WriteStartObject();
            foreach (var group in entry.Top.GroupBy(alternative => Text(alternative.Token))) json.WriteNumber(group.Key, Finite(group.First().Logprob));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        var offset = _offsets.GetValueOrDefault(choice);
        json.WriteStartArray("text_offset");
        foreach (var token in tokens)
        {
            json.WriteNumberValue(offset);
            offset += token.Length;
        }

        json.WriteEndArray();
        json.WriteEndObject();
        _offsets[choice] = offset;
    }

    private string Text(int token) => Encoding.UTF8.GetString(texts.Bytes(token));

    private static float Finite(float logprob) => float.IsNegativeInfinity(logprob) ? -9999 : logprob;
}
