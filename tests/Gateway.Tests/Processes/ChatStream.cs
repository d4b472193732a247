using System.Net;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;

namespace FinerCut.Tests.Processes;

/// <summary>How one streamed chat ended, seen by a client.</summary>
/// <param name="Versions">That its tokens came from; the header's first.</param>
/// <param name="Error">Code of the error event or envelope.</param>
/// <param name="Done">Ended with [DONE].</param>
public sealed record ChatStream(HttpStatusCode Status, IReadOnlyList<string> Versions, int Tokens, string? Error, bool Done)
{
    /// <summary>Null when the stream is whole and of one version.</summary>
    public string? Problem => Status != HttpStatusCode.OK ? $"status {(int)Status} {Error}" : Error ?? (!Done ? "cut" : Versions.Distinct().Count() != 1 ? "mixed" : null);

    /// <param name="directives">What the fake worker is to do, as its prompt.</param>
    /// <param name="onToken">Called after each token.</param>
    public static async Task<ChatStream> RunAsync(HttpClient client, string directives, Func<int, Task>? onToken = null, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = Body(directives, stream: true) };
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return new ChatStream(response.StatusCode, [], 0, Code(JsonElement.Parse(await response.Content.ReadAsStringAsync(cancellationToken))), false);
        }

        var versions = new List<string>(response.Headers.GetValues("x-finercut-version"));
        var tokens = 0;
        string? error = null;
        var done = false;
        await foreach (var item in SseParser.Create(await response.Content.ReadAsStreamAsync(cancellationToken)).EnumerateAsync(cancellationToken))
        {
            if (item.Data == "[DONE]")
            {
                done = true;
                continue;
            }

            var chunk = JsonElement.Parse(item.Data);
            if (chunk.TryGetProperty("error", out _))
            {
                error = Code(chunk);
                continue;
            }

            if (!chunk.GetProperty("choices")[0].GetProperty("delta").TryGetProperty("content", out var content)) continue;
            // "version.number ": the fake names itself in every token.
            versions.Add(content.GetString()!.Split('.')[0]);
            tokens++;
            if (onToken is not null) await onToken(tokens);
        }

        return new ChatStream(response.StatusCode, versions, tokens, error, done);
    }

    public static StringContent Body(string directives, bool stream = false, string? model = GatewayProcess.Model) => new(
        JsonSerializer.Serialize(new { model, stream, messages = new[] { new { role = "user", content = directives } } }), Encoding.UTF8, "application/json");

    public static string? Code(JsonElement envelope) => envelope.GetProperty("error").GetProperty("code").GetString();
}
