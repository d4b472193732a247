using System.Buffers;
using System.Text;
using System.Text.Json;
using FinerCut.Worker.Batching;
using FinerCut.Worker.Chats;
using FinerCut.Worker.Tools;

namespace FinerCut.Worker.OpenAi;

/// <summary>chat.completion and chat.completion.chunk.</summary>
internal sealed class ChatFormat(AnswerHead head, AnswerFields fields, ChatPlan plan, TokenTexts texts) : IAnswerFormat
{
    private const string Chunk = "chat.completion.chunk";
    private readonly EventFrames?[] _frames = new EventFrames?[fields.Choices];
    private readonly AnswerText?[] _answers = new AnswerText?[fields.Choices];

    public void Open(IBufferWriter<byte> stream, int choice) => EventFrames.Write(stream, json => WriteChunk(json, choice, null, delta =>
    {
        delta.WriteString("role", "assistant");
        // An answer that only calls tools never gets content.
        delta.WriteString("content", plan.IsPlain ? "" : null);
    }));

    public void Report(IBufferWriter<byte> stream, int choice, PromptProgress progress) =>
        EventFrames.Write(stream, json => WriteChunk(json, choice, null, _ => { }, tail: () => AnswerJson.Progress(json, progress)));

    public void Append(IBufferWriter<byte> stream, int choice, Parcel parcel)
    {
        if (!plan.IsPlain)
        {
            WritePieces(stream, choice, (_answers[choice] ??= plan.Read()).Push(parcel.Text.WrittenSpan), parcel.Logprobs, parcel.Figures);
            return;
        }

        if (fields.TopLogprobs is null && parcel.Figures is null)
        {
            var frames = _frames[choice] ??= new EventFrames((json, mark) => WriteChunk(json, choice, null, delta => delta.WriteString("content", mark)));
            frames.Write(stream, parcel.Text.WrittenSpan);
            return;
        }

        EventFrames.Write(stream, json => WriteChunk(
            json, choice, null, delta => delta.WriteString("content", parcel.Text.WrittenSpan),
            fields.TopLogprobs is null ? null : () => WriteLogprobs(json, parcel.Logprobs), Timings(json, parcel.Figures)));
    }

    private static Action? Timings(Utf8JsonWriter json, GenerationFigures? figures) => figures is null ? null : () => AnswerJson.Timings(json, figures);

    public void Close(IBufferWriter<byte> stream, int choice, GenerationEnd end)
    {
        var answer = _answers[choice];
        if (answer is not null) WritePieces(stream, choice, answer.Finish(), [], null);
        EventFrames.Write(stream, json => WriteChunk(
            json, choice, FinishReason(end, answer?.HasCalls == true), _ => { }, tail: () => AnswerJson.Timings(json, end.Figures)));
    }

    public void Complete(IBufferWriter<byte> stream, IReadOnlyList<GenerationEnd> ends) => AnswerJson.Complete(stream, head, Chunk, fields, ends);

    public void Whole(IBufferWriter<byte> body, IReadOnlyList<Answer> answers) => OpenAiJson.Write(body, json =>
    {
        json.WriteStartObject();
        head.Write(json, "chat.completion");
        json.WriteStartArray("choices");
        foreach (var answer in answers)
        {
            var message = plan.Read().Whole(answer.Text.Span);
            json.WriteStartObject();
            json.WriteNumber("index", answer.Choice);
            json.WriteStartObject("message");
            AnswerPartsJson.WriteMessage(json, message);
            json.WriteNull("refusal");
            json.WriteEndObject();
            if (fields.TopLogprobs is null) json.WriteNull("logprobs");
            else WriteLogprobs(json, answer.Logprobs);
            json.WriteString("finish_reason", FinishReason(answer.End, !message.Calls.IsEmpty));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        AnswerJson.Usage(json, answers.Select(answer => answer.End), fields.Choices);
        AnswerJson.Timings(json, answers[0].End.Figures);
        json.WriteEndObject();
    });

    /// <summary>A call that was cut off is an answer that was too long, not a call.</summary>
    private static string FinishReason(GenerationEnd end, bool hasCalls) =>
        hasCalls && end.Kind == FinishKind.Stop ? "tool_calls" : AnswerJson.FinishReason(end);

    /// <summary>One chunk a piece; log-probabilities go with the first, or alone where the tokens have given nothing yet.</summary>
    private void WritePieces(IBufferWriter<byte> stream, int choice, IReadOnlyList<AnswerDelta> pieces, List<TokenLogprob> logprobs, GenerationFigures? figures)
    {
        var entries = fields.TopLogprobs is null || logprobs.Count == 0 ? null : logprobs;
        foreach (var piece in pieces)
        {
            var own = entries;
            EventFrames.Write(stream, json => WriteChunk(
                json, choice, null, _ => AnswerPartsJson.WriteDelta(json, piece), own is null ? null : () => WriteLogprobs(json, own), Timings(json, figures)));
            entries = null;
        }

        if (entries is { } left) EventFrames.Write(stream, json => WriteChunk(json, choice, null, _ => { }, () => WriteLogprobs(json, left), Timings(json, figures)));
    }

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
