using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace FinerCut.Gateway.Recording;

/// <summary>One exchange as the store keeps it.</summary>
/// <param name="PromptHash">Of the messages or the prompt, white space of the JSON left out: equal for equal prompts.</param>
/// <param name="Messages">JSON of the chat messages; null for a plain completion.</param>
public sealed record Conversation(byte[] PromptHash, string? Messages, string? Prompt, string Answer)
{
    public int Bytes => Encoding.UTF8.GetByteCount(Messages ?? Prompt ?? "") + Encoding.UTF8.GetByteCount(Answer);
}

/// <summary>From the bytes of a request and its answer to a conversation. Pure.</summary>
public static class ExchangeReader
{
    /// <summary>Null where the exchange is not one whole answer of text: an error, several choices, tool calls only, an unfinished stream.</summary>
    public static Conversation? Read(ReadOnlyMemory<byte> request, ReadOnlyMemory<byte> answer, bool isChat)
    {
        try
        {
            using var asked = JsonDocument.Parse(request);
            var root = asked.RootElement;
            if (root.TryGetProperty("n", out var count) && count.ValueKind == JsonValueKind.Number && count.GetInt32() > 1) return null;
            var stream = root.TryGetProperty("stream", out var wanted) && wanted.ValueKind == JsonValueKind.True;
            var text = stream ? FromEvents(answer.Span, isChat) : FromBody(answer, isChat);
            if (string.IsNullOrEmpty(text)) return null;
            if (isChat)
            {
                if (!root.TryGetProperty("messages", out var messages) || messages.ValueKind != JsonValueKind.Array || messages.GetArrayLength() == 0) return null;
                var json = JsonSerializer.Serialize(messages);
                return new Conversation(SHA256.HashData(Encoding.UTF8.GetBytes(json)), json, null, text);
            }

            if (!root.TryGetProperty("prompt", out var prompt) || prompt.ValueKind != JsonValueKind.String) return null;
            var plain = prompt.GetString()!;
            return new Conversation(SHA256.HashData(Encoding.UTF8.GetBytes("\0" + plain)), null, plain, text);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            return null;
        }
    }

    private static string? FromBody(ReadOnlyMemory<byte> answer, bool isChat)
    {
        using var document = JsonDocument.Parse(answer);
        var choices = document.RootElement.GetProperty("choices"u8);
        if (choices.GetArrayLength() != 1 || !IsFinished(choices[0])) return null;
        return TextOf(isChat ? choices[0].GetProperty("message"u8) : choices[0], isChat ? "content"u8 : "text"u8);
    }

    private static string? FromEvents(ReadOnlySpan<byte> answer, bool isChat)
    {
        var text = new StringBuilder();
        var finished = false;
        var done = false;
        foreach (var range in answer.Split((byte)'\n'))
        {
            var line = answer[range].TrimEnd((byte)'\r');
            if (!line.StartsWith("data:"u8)) continue;
            var data = line[5..].TrimStart((byte)' ');
            if (data.SequenceEqual("[DONE]"u8))
            {
                done = true;
                continue;
            }

            var reader = new Utf8JsonReader(data);
            using var chunk = JsonDocument.ParseValue(ref reader);
            if (!chunk.RootElement.TryGetProperty("choices"u8, out var choices)) return null;
            if (choices.GetArrayLength() == 0) continue;
            if (choices.GetArrayLength() != 1) return null;
            finished |= IsFinished(choices[0]);
            if (!isChat) text.Append(TextOf(choices[0], "text"u8));
            else if (choices[0].TryGetProperty("delta"u8, out var delta)) text.Append(TextOf(delta, "content"u8));
        }

        return finished && done ? text.ToString() : null;
    }

    private static bool IsFinished(JsonElement choice) =>
        choice.TryGetProperty("finish_reason"u8, out var reason) && reason.ValueKind == JsonValueKind.String && reason.GetString() is "stop" or "length";

    private static string? TextOf(JsonElement element, ReadOnlySpan<byte> name) =>
        element.TryGetProperty(name, out var text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;
}
