using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FinerCut.ServeBench;

/// <summary>Any OpenAI-compatible server that takes ignore_eos: /v1/completions as event streams.</summary>
internal sealed class HttpTarget(Uri address) : ITarget, IDisposable
{
    private readonly HttpClient _http = new() { BaseAddress = address, Timeout = TimeSpan.FromMinutes(10) };

    public async Task<Measure> RunAsync(Ask ask)
    {
        var began = TimeProvider.System.GetTimestamp();
        var answers = await Task.WhenAll(ask.Prompts.Select(prompt => AskAsync(prompt, ask, began)));
        return new Measure(
            answers.Sum(answer => ask.CountPrompts ? answer.Prompt : answer.Completion), TimeProvider.System.GetElapsedTime(began), [.. answers.Select(answer => answer.First)])
        {
            Gaps = [.. answers.SelectMany(answer => answer.Gaps)],
        };
    }

    /// <summary>Milliseconds of one request, answer read.</summary>
    public async Task<double> TimeAsync(HttpMethod method, string path, string? body, CancellationToken stop)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : new StringContent(body, null, "application/json") };
        var began = TimeProvider.System.GetTimestamp();
        using var response = await _http.SendAsync(request, stop);
        await response.Content.ReadAsByteArrayAsync(stop);
        var took = TimeProvider.System.GetElapsedTime(began);
        response.EnsureSuccessStatusCode();
        return took.TotalMilliseconds;
    }

    public void Dispose() => _http.Dispose();

    private async Task<(int Prompt, int Completion, TimeSpan First, List<TimeSpan> Gaps)> AskAsync(string prompt, Ask ask, long began)
    {
        var body = new JsonObject
        {
            ["model"] = "bench",
            ["prompt"] = prompt,
            ["max_tokens"] = ask.AnswerTokens,
            ["temperature"] = 0,
            ["ignore_eos"] = true,
            ["cache_prompt"] = ask.MayCache,
            ["stream"] = true,
            ["stream_options"] = new JsonObject { ["include_usage"] = true },
        };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = JsonContent.Create(body) };
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        TimeSpan? first = null;
        var (gaps, last) = (new List<TimeSpan>(), TimeSpan.Zero);
        var usage = (Prompt: 0, Completion: 0);
        await foreach (var item in SseParser.Create(await response.Content.ReadAsStreamAsync()).EnumerateAsync())
        {
            if (item.Data == "[DONE]") continue;
            var now = TimeProvider.System.GetElapsedTime(began);
            if (first is null) first = now;
            else gaps.Add(now - last);
            last = now;
            // Chunks are read, but only the last ones are worth parsing: the client shares the machine with the server.
            if (!item.Data.Contains("\"usage\":{", StringComparison.Ordinal)) continue;
            using var json = JsonDocument.Parse(item.Data);
            var figures = json.RootElement.GetProperty("usage");
            usage = (figures.GetProperty("prompt_tokens").GetInt32(), figures.GetProperty("completion_tokens").GetInt32());
        }

        return (usage.Prompt, usage.Completion, first ?? TimeSpan.Zero, gaps);
    }
}
