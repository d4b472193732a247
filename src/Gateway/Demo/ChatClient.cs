using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FinerCut.Gateway.Demo;

public enum ChatFate
{
    Answered,

    /// <summary>No answer at all: refused, or the connection failed before the first byte.</summary>
    Failed,

    /// <summary>Began and did not end with a finish reason.</summary>
    Cut,

    /// <summary>Chunks of more than one version in one stream.</summary>
    Mixed,
}

/// <param name="Version">The version that answered, as its chunks say (system_fingerprint); null where nothing came.</param>
/// <param name="Tokens">Completion tokens by the server's count.</param>
/// <param name="Problem">What went wrong, without any prompt text.</param>
public sealed record ChatOutcome(ChatFate Fate, string? Version, int Tokens, string? Problem = null);

/// <summary>An OpenAI client as plain as possible: what the demo counts must not be hidden by a library's retries. Thread-safe.</summary>
public sealed class ChatClient(HttpClient http, string model)
{
    /// <summary>Streams one answer to its end and says how it went; only cancellation throws.</summary>
    public async Task<ChatOutcome> StreamAsync(DemoPrompt prompt, int maxTokens, CancellationToken cancellationToken)
    {
        string? version = null;
        var tokens = 0;
        var finished = false;
        var mixed = false;
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = JsonContent.Create(Body(prompt, maxTokens)) };
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode) return new ChatOutcome(ChatFate.Failed, null, 0, $"HTTP {(int)response.StatusCode}");
            var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = stream.ConfigureAwait(false);
            await foreach (var item in SseParser.Create(stream).EnumerateAsync(cancellationToken).ConfigureAwait(false))
            {
                if (item.Data == "[DONE]") break;
                using var chunk = JsonDocument.Parse(item.Data);
                if (chunk.RootElement.TryGetProperty("error", out var error)) return new ChatOutcome(ChatFate.Cut, version, tokens, error.GetProperty("type").GetString());
                var from = chunk.RootElement.TryGetProperty("system_fingerprint", out var fingerprint) ? fingerprint.GetString() : null;
                mixed |= version is not null && from is not null && from != version;
                version ??= from;
                if (chunk.RootElement.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object) tokens = usage.GetProperty("completion_tokens").GetInt32();
                finished |= chunk.RootElement.GetProperty("choices") is { ValueKind: JsonValueKind.Array } choices && choices.GetArrayLength() > 0
                    && choices[0].TryGetProperty("finish_reason", out var reason) && reason.ValueKind == JsonValueKind.String;
            }
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return new ChatOutcome(version is null ? ChatFate.Failed : ChatFate.Cut, version, tokens, exception.GetType().Name);
        }

        return mixed ? new ChatOutcome(ChatFate.Mixed, version, tokens)
            : finished ? new ChatOutcome(ChatFate.Answered, version, tokens)
            : new ChatOutcome(version is null ? ChatFate.Failed : ChatFate.Cut, version, tokens, "no finish reason");
    }

    private JsonObject Body(DemoPrompt prompt, int maxTokens)
    {
        var messages = new JsonArray();
        if (prompt.System is not null) messages.Add((JsonNode)new JsonObject { ["role"] = "system", ["content"] = prompt.System });
        messages.Add((JsonNode)new JsonObject { ["role"] = "user", ["content"] = prompt.User });
        return new JsonObject
        {
            ["model"] = model,
            ["messages"] = messages,
            ["max_tokens"] = maxTokens,
            ["temperature"] = 0.7,
            ["seed"] = 1,
            ["stream"] = true,
            ["stream_options"] = new JsonObject { ["include_usage"] = true },
        };
    }
}
