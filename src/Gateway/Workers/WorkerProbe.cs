using System.Net;
using System.Net.Http.Headers;
using Polly;
using Polly.Retry;

namespace FinerCut.Gateway.Workers;

/// <summary>Asks workers whether they are ready. Thread-safe.</summary>
public sealed class WorkerProbe : IDisposable
{
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(5) })
    {
        Timeout = TimeSpan.FromSeconds(10),
    };

    private readonly ResiliencePipeline<bool> _untilHealthy;

    public WorkerProbe(TimeProvider time) => _untilHealthy = new ResiliencePipelineBuilder<bool> { TimeProvider = time }
        .AddRetry(new RetryStrategyOptions<bool>
        {
            MaxRetryAttempts = int.MaxValue,
            BackoffType = DelayBackoffType.Exponential,
            Delay = TimeSpan.FromMilliseconds(20),
            MaxDelay = TimeSpan.FromMilliseconds(250),
            ShouldHandle = new PredicateBuilder<bool>().HandleResult(false).Handle<HttpRequestException>().Handle<TimeoutException>(),
        })
        .Build();

    /// <summary>Polls <c>/health</c> until it answers 200; the token bounds the wait.</summary>
    public async Task WaitUntilHealthyAsync(WorkerAddress address, CancellationToken cancellationToken) =>
        await _untilHealthy.ExecuteAsync(async token =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, address.Url + "/health");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", address.Key);
            using var response = await _client.SendAsync(request, token);
            return response.StatusCode == HttpStatusCode.OK;
        }, cancellationToken);

    public void Dispose() => _client.Dispose();
}
