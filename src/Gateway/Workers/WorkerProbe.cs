using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Polly;
using Polly.Retry;

namespace FinerCut.Gateway.Workers;

/// <summary>Asks workers whether they are ready; what comes after an answer may block (a process is started, a file read), so it never goes on on a socket's thread. Thread-safe.</summary>
public sealed class WorkerProbe(TimeProvider time) : IDisposable
{
    /// <summary>Of one question about health; settable for tests.</summary>
    internal TimeSpan HealthTimeout { get => _client.Timeout; init => _client.Timeout = value; }

    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(5) })
    {
        Timeout = TimeSpan.FromSeconds(10),
    };

    private readonly HttpClient _completions = new(new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(5) })
    {
        Timeout = TimeSpan.FromSeconds(60),
    };

    private readonly ResiliencePipeline<bool> _untilHealthy = new ResiliencePipelineBuilder<bool> { TimeProvider = time }
        .AddRetry(new RetryStrategyOptions<bool>
        {
            MaxRetryAttempts = int.MaxValue,
            BackoffType = DelayBackoffType.Exponential,
            Delay = TimeSpan.FromMilliseconds(20),
            MaxDelay = TimeSpan.FromMilliseconds(250),
            ShouldHandle = new PredicateBuilder<bool>().HandleResult(false).Handle<HttpRequestException>()
                // HttpClient's word for its own time-out: a worker that is busy loading is asked again.
                .Handle<TaskCanceledException>(cancelled => cancelled.InnerException is TimeoutException),
        })
        .Build();

    /// <summary>Polls <c>/health</c> until it answers 200; the token bounds the wait.</summary>
    public async Task WaitUntilHealthyAsync(WorkerAddress address, CancellationToken cancellationToken) =>
        await _untilHealthy.ExecuteAsync(async token =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, address.Url + "/health");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", address.Key);
            using var response = await _client.SendAsync(request, token).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            return response.StatusCode == HttpStatusCode.OK;
        }, cancellationToken);

    /// <summary>Whether anything is answered, whatever it is: a process that is stopped or stuck answers nothing.</summary>
    public async Task<bool> AnswersAsync(WorkerAddress address, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            using var response = await _completions.GetAsync(new Uri(address.Url + "/health"), either.Token).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            return true;
        }
        catch (Exception exception) when (exception is HttpRequestException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return false;
        }
    }

    /// <summary>Asks for a short completion. Null when one came; otherwise what came instead.</summary>
    public async Task<string?> CompleteAsync(WorkerAddress address, string modelId, CancellationToken cancellationToken)
    {
        var chat = await TryAsync("/v1/chat/completions", $$"""{"model":"{{modelId}}","messages":[{"role":"user","content":"Hello"}],"max_tokens":4}""");
        // A file without a chat template serves plain completions only.
        return chat is null ? null : await TryAsync("/v1/completions", $$"""{"model":"{{modelId}}","prompt":"Hello","max_tokens":4}""") is null ? null : chat;

        async Task<string?> TryAsync(string path, string body)
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, address.Url + path);
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", address.Key);
                request.Content = new StringContent(body, Encoding.UTF8, "application/json");
                using var response = await _completions.SendAsync(request, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                if (response.StatusCode != HttpStatusCode.OK) return $"The probe was answered with status {(int)response.StatusCode}.";
                using var answer = await JsonDocument.ParseAsync(await response.Content.ReadAsStreamAsync(cancellationToken), cancellationToken: cancellationToken);
                return answer.RootElement.TryGetProperty("choices", out var choices) && choices.GetArrayLength() > 0 ? null : "The probe's answer holds no choice.";
            }
            catch (Exception exception) when (exception is HttpRequestException or JsonException or InvalidOperationException)
            {
                return $"The probe failed: {exception.Message}";
            }
            catch (TaskCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return $"The probe was not answered within {_completions.Timeout.TotalSeconds} s.";
            }
        }
    }

    public void Dispose()
    {
        _client.Dispose();
        _completions.Dispose();
    }
}
