using System.Buffers;
using System.Text;
using System.Text.Json;
using FinerCut.Worker.Batching;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.LlamaServer;

/// <summary>llama-server's own shape of an answer, whole and as events.</summary>
/// <param name="prompt">As it was given; repeated at the end.</param>
internal sealed class NativeFormat(AnswerHead head, NativeRequest request, string prompt, TokenTexts texts) : IAnswerFormat
{
    private readonly EventFrames _frames = new((json, mark) =>
    {
        json.WriteStartObject();
        json.WriteNumber("index", 0);
        json.WriteString("content", mark);
        json.WriteBoolean("stop", false);
        json.WriteEndObject();
    });

    private bool _hasNewLine;

    public void Open(IBufferWriter<byte> stream, int choice)
    {
    }

    public void Append(IBufferWriter<byte> stream, int choice, Parcel parcel)
    {
        _hasNewLine |= parcel.Text.WrittenSpan.Contains((byte)'\n');
        if (request.Answer.TopLogprobs is null)
        {
            _frames.Write(stream, parcel.Text.WrittenSpan);
            return;
        }

        EventFrames.Write(stream, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("index", 0);
            json.WriteString("content", parcel.Text.WrittenSpan);
            WriteTokens(json, parcel.Logprobs);
            json.WriteBoolean("stop", false);
            json.WriteEndObject();
        });
    }

    public void Close(IBufferWriter<byte> stream, int choice, GenerationEnd end) => EventFrames.Write(stream, json => WriteEnd(json, default, [], end));

    public void Complete(IBufferWriter<byte> stream, IReadOnlyList<GenerationEnd> ends)
    {
    }

    public void Whole(IBufferWriter<byte> body, IReadOnlyList<Answer> answers) => OpenAiJson.Write(body, json =>
    {
        _hasNewLine = answers[0].Text.Span.Contains((byte)'\n');
        WriteEnd(json, answers[0].Text.Span, answers[0].Logprobs, answers[0].End);
    });

    private void WriteEnd(Utf8JsonWriter json, ReadOnlySpan<byte> text, IReadOnlyList<TokenLogprob> logprobs, GenerationEnd end)
    {
        json.WriteStartObject();
        json.WriteNumber("index", 0);
        json.WriteString("content", text);
        WriteTokens(json, logprobs);
        json.WriteNumber("id_slot", end.Figures.Sequence);
        json.WriteBoolean("stop", true);
        json.WriteString("model", head.Model);
        json.WriteNumber("tokens_predicted", end.Figures.CompletionTokens);
        json.WriteNumber("tokens_evaluated", end.Figures.PromptTokens);
        WriteSettings(json);
        json.WriteString("prompt", prompt);
        json.WriteBoolean("has_new_line", _hasNewLine);
        // Ended by the context alone, or with its middle forgotten.
        json.WriteBoolean("truncated", end.Figures.Shifted > 0 || (end.Kind == FinishKind.Length && end.Figures.CompletionTokens < (request.Answer.MaxTokens ?? int.MaxValue)));
        json.WriteString("stop_type", end.Kind == FinishKind.Length ? "limit" : end.StopIndex >= 0 ? "word" : "eos");
        json.WriteString("stopping_word", end.StopIndex >= 0 ? request.Answer.Stops[end.StopIndex] : "");
        json.WriteNumber("tokens_cached", end.Figures.PromptTokens + end.Figures.CompletionTokens - end.Figures.Shifted);
        AnswerJson.Timings(json, end.Figures);
        json.WriteEndObject();
    }

    private void WriteSettings(Utf8JsonWriter json)
    {
        var sampling = request.Answer.Sampling;
        json.WriteStartObject("generation_settings");
        json.WriteNumber("n_predict", request.Answer.MaxTokens ?? -1);
        json.WriteNumber("seed", sampling.Seed);
        json.WriteNumber("temperature", sampling.Temperature);
        json.WriteNumber("top_k", sampling.TopK);
        json.WriteNumber("top_p", sampling.TopP);
        json.WriteNumber("min_p", sampling.MinP);
        json.WriteBoolean("ignore_eos", request.Answer.IgnoreEos);
        json.WriteBoolean("stream", request.Answer.Stream);
        json.WriteEndObject();
    }

    private void WriteTokens(Utf8JsonWriter json, IReadOnlyList<TokenLogprob> entries)
    {
        json.WriteStartArray("tokens");
        if (request.ReturnsTokens) foreach (var entry in entries) json.WriteNumberValue(entry.Token);
        json.WriteEndArray();
        if (!request.ReturnsProbabilities || entries.Count == 0) return;
        json.WriteStartArray("completion_probabilities");
        foreach (var entry in entries)
        {
            json.WriteStartObject();
            WriteToken(json, entry.Token, entry.Logprob);
            json.WriteStartArray("top_logprobs");
            foreach (var other in entry.Top)
            {
                json.WriteStartObject();
                WriteToken(json, other.Token, other.Logprob);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void WriteToken(Utf8JsonWriter json, int token, float logprob)
    {
        var bytes = texts.Bytes(token);
        json.WriteNumber("id", token);
        json.WriteString("token", Encoding.UTF8.GetString(bytes));
        json.WriteStartArray("bytes");
        foreach (var value in bytes) json.WriteNumberValue(value);
        json.WriteEndArray();
        json.WriteNumber("logprob", float.IsNegativeInfinity(logprob) ? -9999 : logprob);
    }
}
