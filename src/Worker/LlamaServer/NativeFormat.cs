using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using FinerCut.Worker.Batching;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.LlamaServer;

/// <summary>llama-server's own shape of an answer, whole and as events. Several answers are told apart by "index", and an array where they are whole.</summary>
/// <param name="prompts">As they were given; repeated at the end. Each has as many answers as the request asks for.</param>
internal sealed class NativeFormat(AnswerHead head, NativeRequest request, ImmutableArray<string> prompts, TokenTexts texts) : IAnswerFormat
{
    private readonly Dictionary<int, EventFrames> _frames = [];
    private readonly HashSet<int> _hasNewLine = [];
    private readonly NativeTokens _tokens = new(request, texts);

    public void Open(IBufferWriter<byte> stream, int choice)
    {
    }

    public void Report(IBufferWriter<byte> stream, int choice, PromptProgress progress) =>
        EventFrames.Write(stream, json => WritePart(json, choice, [], () => AnswerJson.Progress(json, progress)));

    public void Append(IBufferWriter<byte> stream, int choice, Parcel parcel)
    {
        if (parcel.Text.WrittenSpan.Contains((byte)'\n')) _hasNewLine.Add(choice);
        if (request.Answer.TopLogprobs is null && parcel.Figures is null)
        {
            Frames(choice).Write(stream, parcel.Text.WrittenSpan);
            return;
        }

        EventFrames.Write(stream, json => WritePart(json, choice, parcel.Text.WrittenSpan, () =>
        {
            _tokens.Write(json, parcel.Logprobs);
            if (parcel.Figures is { } figures) AnswerJson.Timings(json, figures);
        }));
    }

    public void Close(IBufferWriter<byte> stream, int choice, GenerationEnd end) =>
        EventFrames.Write(stream, json => WriteEnd(json, new Answer(choice, default, [], end)));

    public void Complete(IBufferWriter<byte> stream, IReadOnlyList<GenerationEnd> ends)
    {
    }

    public void Whole(IBufferWriter<byte> body, IReadOnlyList<Answer> answers) => OpenAiJson.Write(body, json =>
    {
        if (answers.Count > 1) json.WriteStartArray();
        foreach (var answer in answers)
        {
            if (answer.Text.Span.Contains((byte)'\n')) _hasNewLine.Add(answer.Choice);
            WriteEnd(json, answer);
        }

        if (answers.Count > 1) json.WriteEndArray();
    });

    private EventFrames Frames(int choice)
    {
        if (_frames.TryGetValue(choice, out var frames)) return frames;
        return _frames[choice] = new EventFrames((json, mark) =>
        {
            json.WriteStartObject();
            json.WriteNumber("index", choice);
            json.WriteString("content", mark);
            json.WriteBoolean("stop", false);
            json.WriteEndObject();
        });
    }

    private static void WritePart(Utf8JsonWriter json, int choice, ReadOnlySpan<byte> text, Action members)
    {
        json.WriteStartObject();
        json.WriteNumber("index", choice);
        json.WriteString("content", text);
        members();
        json.WriteBoolean("stop", false);
        json.WriteEndObject();
    }

    private void WriteEnd(Utf8JsonWriter json, Answer answer)
    {
        if (request.Fields.IsEmpty)
        {
            WriteAll(json, answer);
            return;
        }

        var buffer = new ArrayBufferWriter<byte>(1024);
        OpenAiJson.Write(buffer, all => WriteAll(all, answer));
        using var whole = JsonDocument.Parse(buffer.WrittenMemory);
        json.WriteStartObject();
        foreach (var path in request.Fields.Distinct())
        {
            // A field that is not there is left out, as in llama-server.
            if (Find(whole.RootElement, path) is not { } value) continue;
            json.WritePropertyName(path);
            value.WriteTo(json);
        }

        json.WriteEndObject();
    }

    private static JsonElement? Find(JsonElement value, string path)
    {
        foreach (var name in path.Split('/'))
        {
            if (value.ValueKind != JsonValueKind.Object || !value.TryGetProperty(name, out value)) return null;
        }

        return value;
    }

    private void WriteAll(Utf8JsonWriter json, Answer answer)
    {
        var end = answer.End;
        json.WriteStartObject();
        json.WriteNumber("index", answer.Choice);
        json.WriteString("content", answer.Text.Span);
        _tokens.Write(json, answer.Logprobs);
        json.WriteNumber("id_slot", end.Figures.Sequence);
        json.WriteBoolean("stop", true);
        json.WriteString("model", head.Model);
        json.WriteNumber("tokens_predicted", end.Figures.CompletionTokens);
        json.WriteNumber("tokens_evaluated", end.Figures.PromptTokens);
        WriteSettings(json);
        json.WriteString("prompt", prompts[answer.Choice / request.Answer.Choices]);
        json.WriteBoolean("has_new_line", _hasNewLine.Contains(answer.Choice));
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
        json.WriteStartArray("logit_bias");
        foreach (var (token, bias) in sampling.LogitBias ?? new Dictionary<int, float>())
        {
            json.WriteStartObject();
            json.WriteNumber("token", token);
            // JSON has no infinity: null is a token that is forbidden.
            if (float.IsFinite(bias)) json.WriteNumber("bias", bias);
            else json.WriteNull("bias");
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
