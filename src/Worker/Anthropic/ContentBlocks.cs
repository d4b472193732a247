using System.Buffers;
using System.Text.Json;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Tools;

namespace FinerCut.Worker.Anthropic;

/// <summary>
/// The blocks of a message: thinking, text, tool_use; in a stream each between its start and its stop. One a response, not thread-safe.
/// </summary>
internal sealed class ContentBlocks
{
    public const string DeltaEvent = "content_block_delta";

    private AnswerPart? _open;
    private int _index = -1;

    /// <summary>Writes a piece, with what ends the block before it and begins its own. A text of no length only opens its block.</summary>
    public void Write(IBufferWriter<byte> stream, AnswerDelta piece)
    {
        var kind = piece.Part == AnswerPart.Arguments ? AnswerPart.Call : piece.Part;
        if (piece.Part == AnswerPart.Call || kind != _open) Begin(stream, kind, piece);
        if (piece.Part == AnswerPart.Call || piece.Text.Length == 0) return;
        EventFrames.Write(stream, json => WriteDelta(json, _index, piece.Part, piece.Text), DeltaEvent);
    }

    /// <summary>Ends the last block, if there was one.</summary>
    public void Close(IBufferWriter<byte> stream)
    {
        if (_open is null) return;
        // Signed thinking is Anthropic's; its clients expect the place.
        if (_open == AnswerPart.Reasoning) Event(stream, DeltaEvent, json => Delta(json, "signature_delta", "signature", ""));
        Event(stream, "content_block_stop", _ => { });
        _open = null;
    }

    public static void WriteDelta(Utf8JsonWriter json, int index, AnswerPart part, string text) => Event(json, DeltaEvent, writer =>
    {
        writer.WriteNumber("index", index);
        switch (part)
        {
            case AnswerPart.Reasoning:
                Delta(writer, "thinking_delta", "thinking", text);
                break;
            case AnswerPart.Arguments:
                Delta(writer, "input_json_delta", "partial_json", text);
                break;
            default:
                Delta(writer, "text_delta", "text", text);
                break;
        }
    });

    /// <summary>The blocks of a whole message; the array is the caller's.</summary>
    public static void WriteAll(Utf8JsonWriter json, AnswerMessage message)
    {
        if (message.Reasoning is { } reasoning)
        {
            json.WriteStartObject();
            json.WriteString("type", "thinking");
            json.WriteString("thinking", reasoning);
            json.WriteString("signature", "");
            json.WriteEndObject();
        }

        if (message.Content is { } content)
        {
            json.WriteStartObject();
            json.WriteString("type", "text");
            json.WriteString("text", content);
            json.WriteEndObject();
        }

        foreach (var call in message.Calls)
        {
            json.WriteStartObject();
            json.WriteString("type", "tool_use");
            json.WriteString("id", call.Id);
            json.WriteString("name", call.Name);
            json.WritePropertyName("input");
            if (ToolPrompt.Parse(call.Arguments) is { } input)
            {
                input.WriteTo(json);
            }
            else
            {
                // Cut off by max_tokens: what there is of it is not lost, and is no valid input either.
                json.WriteStartObject();
                json.WriteString("partial_json", call.Arguments);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }
    }

    public static void Event(Utf8JsonWriter json, string name, Action<Utf8JsonWriter> members)
    {
        json.WriteStartObject();
        json.WriteString("type", name);
        members(json);
        json.WriteEndObject();
    }

    private void Begin(IBufferWriter<byte> stream, AnswerPart kind, AnswerDelta piece)
    {
        Close(stream);
        _open = kind;
        _index++;
        Event(stream, "content_block_start", json =>
        {
            json.WriteStartObject("content_block");
            json.WriteString("type", kind switch { AnswerPart.Reasoning => "thinking", AnswerPart.Call => "tool_use", _ => "text" });
            switch (kind)
            {
                case AnswerPart.Reasoning:
                    json.WriteString("thinking", "");
                    json.WriteString("signature", "");
                    break;
                case AnswerPart.Call:
                    json.WriteString("id", piece.Id);
                    json.WriteString("name", piece.Text);
                    json.WriteStartObject("input");
                    json.WriteEndObject();
                    break;
                default:
                    json.WriteString("text", "");
                    break;
            }

            json.WriteEndObject();
        });
    }

    private void Event(IBufferWriter<byte> stream, string name, Action<Utf8JsonWriter> members) => EventFrames.Write(
        stream,
        json => Event(json, name, writer =>
        {
            writer.WriteNumber("index", _index);
            members(writer);
        }),
        name);

    private static void Delta(Utf8JsonWriter json, string type, string member, string text)
    {
        json.WriteStartObject("delta");
        json.WriteString("type", type);
        json.WriteString(member, text);
        json.WriteEndObject();
    }
}
