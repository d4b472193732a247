using System.Buffers;
using System.Text;
using System.Text.Json;
using FinerCut.Worker.Batching;

namespace FinerCut.Worker.OpenAi;

/// <summary>chat.completion and chat.completion.chunk.</summary>
internal sealed class ChatFormat(AnswerHead head, AnswerFields fields, TokenTexts texts) : IAnswerFormat
{
    private const string Chunk = "chat.completion.chunk";
    private readonly EventFrames?[] _frames = new EventFrames?[fields.Choices];

    public void Open(IBufferWriter<byte> stream, int choice) => EventFrames.Write(stream, json => WriteChunk(json, choice, null, delta =>
    {
        delta.WriteString("role", "assistant");
        delta.WriteString("content", "");
    }));

    public void Append(IBufferWriter<byte> stream, int choice, Parcel parcel)
    {
        if (fields.TopLogprobs is null)
        {
            var frames = _frames[choice] ??= new EventFrames((json, mark) => WriteChunk(json, choice, null, delta => delta.WriteString("content", mark)));
            frames.Write(stream, parcel.Text.WrittenSpan);
            return;
        }

        EventFrames.Write(stream, json => WriteChunk(
            json, choice, null, delta => delta.WriteString("content", parcel.Text.WrittenSpan), () => WriteLogprobs(json, parcel.Logprobs)));
    }

    public void Close(IBufferWriter<byte> stream, int choice, GenerationEnd end) => EventFrames.Write(stream, json =>
        WriteChunk(json, choice, AnswerJson.FinishReason(end), _ => { }, tail: () => AnswerJson.Timings(json, end.Figures)));

    public void Complete(IBufferWriter<byte> stream, IReadOnlyList<GenerationEnd> ends)
    {
        if (fields.IncludeUsage)
        {
            EventFrames.Write(stream, json =>
            {
                json.WriteStartObject();
                head.Write(json, Chunk);
                json.WriteStartArray("choices");
                json.WriteEndArray();
                AnswerJson.Usage(json, ends, fields.Choices);
                json.WriteEndObject();
            });
        }

        EventFrames.Done(stream);
    }

    public void Whole(IBufferWriter<byte> body, IReadOnlyList<Answer> answers) => OpenAiJson.Write(body, json =>
    {
        json.WriteStartObject();
        head.Write(json, "chat.completion");
        json.WriteStartArray("choices");
        foreach (var answer in answers)
        {
            json.WriteStartObject();
            json.WriteNumber("index", answer.Choice);
            json.WriteStartObject("message");
            json.WriteString("role", "assistant");
            json.WriteString("content", answer.Text.Span);
            json.WriteNull("refusal");
            json.WriteEndObject();
            if (fields.TopLogprobs is null) json.WriteNull("logprobs");
            else WriteLogprobs(json, answer.Logprobs);
            json.WriteString("finish_reason", AnswerJson.FinishReason(answer.End));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        AnswerJson.Usage(json, answers.Select(answer => answer.End), fields.Choices);
        AnswerJson.Timings(json, answers[0].End.Figures);
        json.WriteEndObject();
    });

    private void WriteChunk(Utf8JsonWriter json, int choice, string? finish, Action<Utf8JsonWriter> delta, Action? logprobs = null, Action? tail = null)
    {
        json.WriteStartObject();
        head.Write(json, Chunk);
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", choice);
        json.WriteStartObject("delta");
        delta(json);
        json.WriteEndObject();
        if (logprobs is null) json.WriteNull("logprobs");
        else logprobs();
        json.WriteString("finish_reason", finish);
        json.WriteEndObject();
        json.WriteEndArray();
        tail?.Invoke();
        json.WriteEndObject();
    }

    private void WriteLogprobs(Utf8JsonWriter json, IReadOnlyList<TokenLogprob> entries)
    {
        json.WriteStartObject("logprobs");
        json.WriteStartArray("content");
        foreach (var entry in entries)
        {
            json.WriteStartObject();
            WriteToken(json, entry.Token, entry.Logprob);
            json.WriteStartArray("top_logprobs");
            foreach (var alternative in entry.Top)
            {
                json.WriteStartObject();
                WriteToken(json, alternative.Token, alternative.Logprob);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteNull("refusal");
        json.WriteEndObject();
    }

    private void WriteToken(Utf8JsonWriter json, int token, float logprob)
    {
        var bytes = texts.Bytes(token);
        json.WriteString("token", Encoding.UTF8.GetString(bytes));
        json.WriteNumber("logprob", float.IsNegativeInfinity(logprob) ? -9999 : logprob);
        json.WriteStartArray("bytes");
        foreach (var value in bytes) json.WriteNumberValue(value);
        json.WriteEndArray();
    }
}
