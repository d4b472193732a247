using System.Buffers;
using System.Text;
using System.Text.Json;
using FinerCut.Worker.Batching;
using FinerCut.Worker.Chats;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Tools;

namespace FinerCut.Worker.Responses;

/// <summary>OpenAI's response object, whole and as its sequence of named and numbered events.</summary>
internal sealed class ResponsesFormat(ResponseJson response, ChatPlan plan) : IAnswerFormat
{
    private readonly List<ResponseItem> _items = [];
    private readonly AnswerText? _answer = plan.IsPlain ? null : plan.Read();
    private GenerationFigures? _figures;
    private bool _isOpen;
    private int _number;

    public void Open(IBufferWriter<byte> stream, int choice)
    {
        Write(stream, "response.created", json => WriteResponse(json, null));
        Write(stream, "response.in_progress", json => WriteResponse(json, null));
        if (_answer is null) Begin(stream, new ResponseItem(AnswerPart.Content));
    }

    public void Report(IBufferWriter<byte> stream, int choice, PromptProgress progress) => Write(stream, "response.in_progress", json =>
    {
        WriteResponse(json, null);
        AnswerJson.Progress(json, progress);
    });

    public void Append(IBufferWriter<byte> stream, int choice, Parcel parcel)
    {
        _figures = parcel.Figures;
        if (_answer is null) Delta(stream, Encoding.UTF8.GetString(parcel.Text.WrittenSpan));
        else foreach (var piece in _answer.Push(parcel.Text.WrittenSpan)) Add(stream, piece);
    }

    public void Close(IBufferWriter<byte> stream, int choice, GenerationEnd end)
    {
        foreach (var piece in _answer?.Finish() ?? []) Add(stream, piece);
        if (_items.Count == 0) Begin(stream, new ResponseItem(AnswerPart.Content));
        End(stream, ResponseJson.Status(end));
        Write(stream, $"response.{ResponseJson.Status(end)}", json =>
        {
            WriteResponse(json, end);
            AnswerJson.Timings(json, end.Figures);
        });
    }

    public void Complete(IBufferWriter<byte> stream, IReadOnlyList<GenerationEnd> ends)
    {
    }

    public void Fail(IBufferWriter<byte> stream, ApiError error) => Write(stream, "error", json =>
    {
        json.WriteString("code", error.Code);
        json.WriteString("message", error.Message);
        json.WriteString("param", error.Param);
    });

    public void Whole(IBufferWriter<byte> body, IReadOnlyList<Answer> answers)
    {
        var message = plan.Read().Whole(answers[0].Text.Span);
        if (message.Reasoning is { } reasoning) Put(new ResponseItem(AnswerPart.Reasoning), reasoning);
        if (message.Content is { } content) Put(new ResponseItem(AnswerPart.Content), content);
        foreach (var call in message.Calls) Put(new ResponseItem(AnswerPart.Call, call.Id, call.Name), call.Arguments);
        OpenAiJson.Write(body, json =>
        {
            json.WriteStartObject();
            response.WriteMembers(json, _items, answers[0].End);
            json.WriteEndObject();
        });

        void Put(ResponseItem item, string text)
        {
            item.Append(text);
            _items.Add(item);
        }
    }

    private void Add(IBufferWriter<byte> stream, AnswerDelta piece)
    {
        var kind = piece.Part == AnswerPart.Arguments ? AnswerPart.Call : piece.Part;
        if (piece.Part == AnswerPart.Call || !_isOpen || _items[^1].Kind != kind)
        {
            End(stream, "completed");
            Begin(stream, piece.Part == AnswerPart.Call ? new ResponseItem(kind, piece.Id, piece.Text) : new ResponseItem(kind));
        }

        if (piece.Part != AnswerPart.Call) Delta(stream, piece.Text);
    }

    private void Begin(IBufferWriter<byte> stream, ResponseItem item)
    {
        _items.Add(item);
        _isOpen = true;
        WriteItem(stream, "response.output_item.added", "in_progress");
        if (item.HasParts) WritePart(stream, "response.content_part.added", "");
    }

    private void Delta(IBufferWriter<byte> stream, string text)
    {
        var item = _items[^1];
        item.Append(text);
        Write(stream, $"response.{Noun(item)}.delta", json =>
        {
            WritePlace(json, item);
            json.WriteString("delta", text);
            if (_figures is { } figures) AnswerJson.Timings(json, figures);
            WriteLogprobs(json, item);
        });
    }

    private void End(IBufferWriter<byte> stream, string status)
    {
        if (!_isOpen) return;
        _isOpen = false;
        var item = _items[^1];
        Write(stream, $"response.{Noun(item)}.done", json =>
        {
            WritePlace(json, item);
            json.WriteString(item.HasParts ? "text" : "arguments", item.Text);
            if (!item.HasParts) json.WriteString("name", item.Name);
            WriteLogprobs(json, item);
        });
        if (item.HasParts) WritePart(stream, "response.content_part.done", item.Text);
        WriteItem(stream, "response.output_item.done", status);
    }

    private static string Noun(ResponseItem item) => item.Kind switch
    {
        AnswerPart.Reasoning => "reasoning_text",
        AnswerPart.Call => "function_call_arguments",
        _ => "output_text",
    };

    private void WriteItem(IBufferWriter<byte> stream, string name, string status) => Write(stream, name, json =>
    {
        json.WriteNumber("output_index", _items.Count - 1);
        json.WritePropertyName("item");
        _items[^1].Write(json, status);
    });

    private void WritePart(IBufferWriter<byte> stream, string name, string text) => Write(stream, name, json =>
    {
        WritePlace(json, _items[^1]);
        json.WritePropertyName("part");
        _items[^1].WritePart(json, text);
    });

    private void WritePlace(Utf8JsonWriter json, ResponseItem item)
    {
        json.WriteString("item_id", item.Id);
        json.WriteNumber("output_index", _items.Count - 1);
        if (item.HasParts) json.WriteNumber("content_index", 0);
    }

    private static void WriteLogprobs(Utf8JsonWriter json, ResponseItem item)
    {
        if (item.Kind != AnswerPart.Content) return;
        json.WriteStartArray("logprobs");
        json.WriteEndArray();
    }

    private void WriteResponse(Utf8JsonWriter json, GenerationEnd? end)
    {
        json.WriteStartObject("response");
        response.WriteMembers(json, _items, end);
        json.WriteEndObject();
    }

    private void Write(IBufferWriter<byte> stream, string name, Action<Utf8JsonWriter> members) => EventFrames.Write(
        stream,
        json =>
        {
            json.WriteStartObject();
            json.WriteString("type", name);
            json.WriteNumber("sequence_number", _number++);
            members(json);
            json.WriteEndObject();
        },
        name);
}
