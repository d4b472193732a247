using System.Buffers;
using System.Text.Json;
using FinerCut.Worker.Batching;
using FinerCut.Worker.Chats;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Tools;

namespace FinerCut.Worker.Anthropic;

/// <summary>Anthropic's message, whole and as its sequence of named events.</summary>
/// <param name="plan">Its prompt's length is known before the first token; how much of it was cached is told at the end.</param>
internal sealed class MessagesFormat(AnswerHead head, AnswerFields fields, ChatPlan plan) : IAnswerFormat
{
    /// <summary>As Anthropic's ids begin.</summary>
    private const string CallPrefix = "toolu_";

    private readonly EventFrames _texts = new((json, mark) => ContentBlocks.WriteDelta(json, 0, AnswerPart.Content, mark), ContentBlocks.DeltaEvent);
    private readonly ContentBlocks _blocks = new();
    private AnswerText? _answer;

    public void Open(IBufferWriter<byte> stream, int choice)
    {
        Write(stream, "message_start", json =>
        {
            json.WriteStartObject("message");
            WriteHead(json);
            json.WriteStartArray("content");
            json.WriteEndArray();
            json.WriteNull("stop_reason");
            json.WriteNull("stop_sequence");
            WriteUsage(json, plan.Prompt.Length, 0, 0);
            json.WriteEndObject();
        });
        if (plan.IsPlain) _blocks.Write(stream, new AnswerDelta(AnswerPart.Content, ""));
        else _answer = plan.Read(CallPrefix);
    }

    public void Append(IBufferWriter<byte> stream, int choice, Parcel parcel)
    {
        if (_answer is null) _texts.Write(stream, parcel.Text.WrittenSpan);
        else foreach (var piece in _answer.Push(parcel.Text.WrittenSpan)) _blocks.Write(stream, piece);
    }

    public void Close(IBufferWriter<byte> stream, int choice, GenerationEnd end)
    {
        foreach (var piece in _answer?.Finish() ?? []) _blocks.Write(stream, piece);
        _blocks.Close(stream);
        Write(stream, "message_delta", json =>
        {
            json.WriteStartObject("delta");
            WriteStop(json, end, _answer?.HasCalls == true);
            json.WriteEndObject();
            WriteUsage(json, end.Figures);
        });
    }

    public void Complete(IBufferWriter<byte> stream, IReadOnlyList<GenerationEnd> ends) => Write(stream, "message_stop", _ => { });

    public void Fail(IBufferWriter<byte> stream, ApiError error)
    {
        stream.Write("event: error\ndata: "u8);
        error.Write(stream, typed: true);
        stream.Write("\n\n"u8);
    }

    public void Whole(IBufferWriter<byte> body, IReadOnlyList<Answer> answers) => OpenAiJson.Write(body, json =>
    {
        var message = plan.Read(CallPrefix).Whole(answers[0].Text.Span);
        json.WriteStartObject();
        WriteHead(json);
        json.WriteStartArray("content");
        ContentBlocks.WriteAll(json, message);
        json.WriteEndArray();
        WriteStop(json, answers[0].End, !message.Calls.IsEmpty);
        WriteUsage(json, answers[0].End.Figures);
        json.WriteEndObject();
    });

    private void WriteHead(Utf8JsonWriter json)
    {
        json.WriteString("id", head.Id);
        json.WriteString("type", "message");
        json.WriteString("role", "assistant");
        json.WriteString("model", head.Model);
    }

    private void WriteStop(Utf8JsonWriter json, GenerationEnd end, bool hasCalls)
    {
        json.WriteString("stop_reason", end.Kind == FinishKind.Length ? "max_tokens" : end.StopIndex >= 0 ? "stop_sequence" : hasCalls ? "tool_use" : "end_turn");
        json.WriteString("stop_sequence", end.StopIndex >= 0 ? fields.Stops[end.StopIndex] : null);
    }

    private static void WriteUsage(Utf8JsonWriter json, GenerationFigures figures) =>
        WriteUsage(json, figures.PromptTokens - figures.CachedTokens, figures.CachedTokens, figures.CompletionTokens);

    private static void WriteUsage(Utf8JsonWriter json, int input, int cached, int output)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", input);
        json.WriteNumber("cache_creation_input_tokens", 0);
        json.WriteNumber("cache_read_input_tokens", cached);
        json.WriteNumber("output_tokens", output);
        json.WriteEndObject();
    }

    private static void Write(IBufferWriter<byte> stream, string name, Action<Utf8JsonWriter> members) =>
        EventFrames.Write(stream, json => ContentBlocks.Event(json, name, members), name);
}
