using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json.Nodes;

namespace FinerCut.FunctionalTests.Hosting;

/// <param name="Versions">Distinct versions that its chunks name; more than one is a mixed stream.</param>
/// <param name="Error">The typed error event or HTTP status that ended it; null where it ended with a finish reason.</param>
internal sealed record StreamEnd(string Text, IReadOnlyList<string> Versions, string? Error);

/// <summary>Streaming chat requests, one or many at once, each looked at to its last event.</summary>
internal static class StreamLoad
{
    private static readonly string[] Prompts =
        ["Why is the sky blue?", "Name three rivers.", "Write a short poem about snow.", "What is a hash table?", "How do I boil an egg?", "Tell me about the moon.", "List four colours.", "What does a heart do?"];

    public static async Task<StreamEnd> StreamAsync(GatewayProcess gateway, string prompt, int maxTokens, Action<string>? onText, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        var versions = new List<string>();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = JsonContent.Create(GatewayProcess.ChatBody(prompt, maxTokens, stream: true)) };
        using var response = await gateway.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!response.IsSuccessStatusCode) return new StreamEnd("", versions, $"HTTP {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancellationToken)}");
        if (response.Headers.TryGetValues("x-finercut-version", out var header)) versions.AddRange(header.Select(version => $"fp_{version}"));
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var finish = (string?)null;
        var done = false;
        await foreach (var item in SseParser.Create(stream).EnumerateAsync(cancellationToken))
        {
            if (item.Data == "[DONE]")
            {
                done = true;
                continue;
            }

            var chunk = JsonNode.Parse(item.Data)!;
            if (chunk["error"] is { } error) return new StreamEnd(text.ToString(), versions, $"{error["type"]}/{error["code"]}");
            if (chunk["system_fingerprint"]?.GetValue<string>() is { } version && !versions.Any(version.StartsWith)) versions.Add(version);
            if (chunk["choices"] is not JsonArray { Count: > 0 } choices) continue;
            if (choices[0]!["delta"]?["content"]?.GetValue<string>() is { } piece)
            {
                text.Append(piece);
                onText?.Invoke(piece);
            }

            finish = choices[0]!["finish_reason"]?.GetValue<string>() ?? finish;
        }

        return new StreamEnd(text.ToString(), versions, finish is null ? "no finish reason" : done ? null : "no [DONE]");
    }

    /// <summary>Keeps <paramref name="streams"/> streams open until <paramref name="enough"/>, then lets them end.</summary>
    public static async Task<IReadOnlyList<StreamEnd>> RunAsync(GatewayProcess gateway, int streams, int maxTokens, Action finished, CancellationToken enough, CancellationToken cancellationToken)
    {
        var ends = new ConcurrentQueue<StreamEnd>();
        await Task.WhenAll(Enumerable.Range(0, streams).Select(async stream =>
        {
            for (var round = stream; !enough.IsCancellationRequested; round++)
            {
                ends.Enqueue(await StreamAsync(gateway, Prompts[round % Prompts.Length], maxTokens, null, cancellationToken));
                finished();
            }
        }));
        return [.. ends];
    }
}
