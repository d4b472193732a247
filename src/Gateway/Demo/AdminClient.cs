using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.Pruning;

namespace FinerCut.Gateway.Demo;

/// <summary>An admin endpoint refused; the message is the server's.</summary>
public sealed class AdminRefusalException(string message) : Exception(message);

/// <summary>The admin endpoints as an operator calls them, over HTTP. Thread-safe.</summary>
public sealed class AdminClient : IDisposable
{
    private readonly HttpClient _http;

    public AdminClient(Uri address, string key)
    {
        _http = new HttpClient { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    /// <summary>Conversations recorded, and those captured but not yet stored.</summary>
    public async Task<(long Recorded, long Pending)> RecordingAsync(string model, CancellationToken cancellationToken)
    {
        var view = await _http.GetFromJsonAsync<RecordingView>($"/admin/models/{model}/recording", AdminJson.Options, cancellationToken);
        return (view!.Counts.Distinct, view.Pending);
    }

    /// <exception cref="AdminRefusalException">With what the server says.</exception>
    public async Task<JobModel> PruneAsync(string model, JsonObject order, CancellationToken cancellationToken)
    {
        using var response = await _http.PostAsJsonAsync($"/admin/models/{model}/prune", order, cancellationToken);
        return await ReadAsync<JobModel>(response, cancellationToken);
    }

    /// <summary>The job's states as they come, the last one ended.</summary>
    public async IAsyncEnumerable<JobModel> WatchAsync(string job, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var stream = await _http.GetStreamAsync(new Uri($"/admin/jobs/{job}/events", UriKind.Relative), cancellationToken);
        await using var _ = stream.ConfigureAwait(false);
        await foreach (var item in SseParser.Create(stream).EnumerateAsync(cancellationToken))
        {
            yield return JsonSerializer.Deserialize<JobModel>(item.Data, AdminJson.Options)!;
        }
    }

    /// <exception cref="AdminRefusalException">With what the server says.</exception>
    public async Task<ModelView> PromoteAsync(string model, string version, CancellationToken cancellationToken)
    {
        using var response = await _http.PostAsJsonAsync($"/admin/models/{model}/promote", new JsonObject { ["version"] = version }, cancellationToken);
        return await ReadAsync<ModelView>(response, cancellationToken);
    }

    public void Dispose() => _http.Dispose();

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.IsSuccessStatusCode) return (await response.Content.ReadFromJsonAsync<T>(AdminJson.Options, cancellationToken))!;
        var body = await response.Content.ReadFromJsonAsync<JsonNode>(cancellationToken);
        throw new AdminRefusalException(body?["error"]?["message"]?.GetValue<string>() ?? $"HTTP {(int)response.StatusCode}");
    }
}
