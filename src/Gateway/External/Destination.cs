using System.Net.Http.Headers;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Workers;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.External;

/// <summary>
/// The one owner of one external destination: asks for its health, opens its breaker when requests fail in a row, and tells the routes, which treat
/// it as they treat a worker. Thread-safe.
/// </summary>
public sealed class Destination : IDisposable
{
    /// <summary>The version that all external destinations of a model are.</summary>
    public const string Version = "external";

    private readonly DestinationConfig _config;
    private readonly IWorkerObserver _observer;
    private readonly HttpClient _client;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private WorkerModel _model;
    private int _failures;
    private DateTimeOffset _openUntil;

    public Destination(string modelId, DestinationConfig config, IWorkerObserver observer, HttpClient client, ILogger logger, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        (_config, _observer, _client, _logger, _time) = (config, observer, client, logger, time);
        _model = new WorkerModel(new WorkerSpec(modelId, Version, "", 0, config.MaxConcurrent, 0) { Destination = config.Name }, WorkerState.Loading, time.GetUtcNow()) { Generation = 1 };
    }

    public WorkerModel Model => Volatile.Read(ref _model);

    public async Task WatchAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(_config.HealthInterval, _time);
        do
        {
            var problem = await AskAsync(cancellationToken);
            lock (_gate)
            {
                // While the breaker is open, a healthy answer alone does not close it: the requests' own failures opened it.
                if (_time.GetUtcNow() < _openUntil) continue;
                if (problem is not null) Move(WorkerState.BackingOff, problem, _time.GetUtcNow() + _config.HealthInterval);
                else Move(WorkerState.Ready, null, null);
            }
        }
        while (await timer.WaitForNextTickAsync(cancellationToken));
    }

    /// <summary>One request's end.</summary>
    public void Saw(in ExchangeEnd end)
    {
        if (end.Failure is FailureKind.Retired or FailureKind.Stopped || (end.ClientGone && end.Failure is null)) return;
        lock (_gate)
        {
            _failures = end.Failure is null && end.Status < 500 ? 0 : _failures + 1;
            if (_failures < _config.BreakerFailures) return;
            _failures = 0;
            _openUntil = _time.GetUtcNow() + _config.BreakerPause;
            Move(WorkerState.Broken, $"{_config.BreakerFailures} requests in a row failed.", _openUntil);
        }
    }

    public void Dispose() => _client.Dispose();

    /// <summary>Null when it is healthy.</summary>
    private async Task<string?> AskAsync(CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(10), _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Address + _config.HealthPath));
            if (_config.ApiKey is { } key) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            return (int)response.StatusCode < 500 ? null : $"It answers {_config.HealthPath} with {(int)response.StatusCode}.";
        }
        catch (Exception exception) when (exception is HttpRequestException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return $"It does not answer {_config.HealthPath} ({exception.GetType().Name}).";
        }
    }

    private string Address => _config.Url.GetLeftPart(UriPartial.Path).TrimEnd('/');

    private void Move(WorkerState state, string? reason, DateTimeOffset? retryAt)
    {
        var ready = state == WorkerState.Ready;
        if (_model.State == state && !(state == WorkerState.Broken)) return;
        // A new generation is a new door: what is under way through the old one ends as it may.
        var next = _model with
        {
            State = state, Since = _time.GetUtcNow(), Reason = reason, RetryAt = retryAt, Generation = ready ? _model.Generation + 1 : _model.Generation,
            Address = ready ? new WorkerAddress(Address, _config.ApiKey ?? "") : null,
        };
        Volatile.Write(ref _model, next);
        _observer.Changed(next);
        // Told once it is so: whoever reads it and asks finds the routes changed.
        _logger.LogInformation("{Destination} of {Model} is {State}. {Reason}", _config.Name, _model.Spec.ModelId, state, reason ?? "");
    }
}
