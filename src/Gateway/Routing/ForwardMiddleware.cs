using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Model;

namespace FinerCut.Gateway.Routing;

/// <summary>
/// In YARP's pipeline, before its forwarder and after <see cref="RequestMiddleware"/>: lets YARP try one upstream after the other until an
/// answer has begun or the deadline is over.
/// </summary>
public sealed class ForwardMiddleware
{
    public static readonly object ExchangeItem = new();

    /// <summary>How often one request may be sent to workers that die of it or fall silent, before it is blamed itself.</summary>
    private const int MaxSent = 2;

    private readonly RequestDelegate _next;
    private readonly UpstreamChooser _chooser;
    private readonly LiveConfig _live;
    private readonly IExchangeObserver _observer;
    private readonly GatewayMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ResiliencePipeline<Attempt> _attempts;

    public ForwardMiddleware(RequestDelegate next, UpstreamChooser chooser, LiveConfig live, IExchangeObserver observer, GatewayMetrics metrics, TimeProvider time)
    {
        (_next, _chooser, _live, _observer, _metrics, _time) = (next, chooser, live, observer, metrics, time);
        _attempts = new ResiliencePipelineBuilder<Attempt> { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions<Attempt>
            {
                MaxRetryAttempts = int.MaxValue,
                Delay = TimeSpan.FromMilliseconds(20),
                MaxDelay = TimeSpan.FromMilliseconds(500),
                BackoffType = DelayBackoffType.Exponential,
                ShouldHandle = arguments => ValueTask.FromResult(arguments.Outcome.Result is { MayTryAgain: true }),
            })
            .Build();
    }

    public Task InvokeAsync(HttpContext context) => ForwardAsync(context, context.Features.GetRequiredFeature<RoutedRequest>());

    private async Task ForwardAsync(HttpContext context, RoutedRequest request)
    {
        var modelId = request.ModelId;
        using var measure = _metrics.Begin(modelId);
        using var deadline = new CancellationTokenSource(_live.Forwarding.RetryDeadline, _time);
        var sent = 0;
        var mayTry = true;
        var last = await _attempts.ExecuteAsync(async _ =>
        {
            var (choice, refusal) = await _chooser.EnterAsync(request, mayTry, deadline.Token, context.RequestAborted);
            if (choice is null) return new Attempt(refusal, refusal?.Code == "worker_busy" && !deadline.IsCancellationRequested);
            try
            {
                var failure = await TryAsync(context, request, choice);
                if (failure is null) return new Attempt(null);
                if (failure is not (FailureKind.NotSent or FailureKind.Busy)) sent++;
                _metrics.AttemptFailed(modelId, failure.Value);
                // The active version answers what the one on trial did not, whatever it failed of.
                mayTry = false;
                var again = choice.IsTrial || (sent < MaxSent && failure is not (FailureKind.FirstByteTimeout or FailureKind.Retired) && !deadline.IsCancellationRequested);
                return new Attempt(UpstreamFailure.ToError(failure.Value), again);
            }
            finally
            {
                choice.Upstream.Leave();
            }
        }, context.RequestAborted);

        if (last.Error is not null) await ErrorEnvelope.WriteAsync(context, last.Error);
        measure.End(context.Response.StatusCode);
    }

    /// <summary>Null when an answer (or a part of it) has gone to the client, or the client has gone; otherwise why there was none.</summary>
    private async Task<FailureKind?> TryAsync(HttpContext context, RoutedRequest request, UpstreamChoice choice)
    {
        var exchange = new Exchange(choice.Upstream, choice.IsTrial, _time.GetTimestamp());
        exchange.Tap = _observer.Begin(exchange, context.Request.Path, request);
        var whole = false;
        FailureKind? failure = null;
        try
        {
            context.Items[ExchangeItem] = exchange;
            context.Request.Body = request.Body.Open();
            context.ReassignProxyRequest(choice.Cluster);
            context.GetReverseProxyFeature().AvailableDestinations = choice.Destination;
            await _next(context);

            var error = context.GetForwarderErrorFeature();
            if (exchange.Broken is { } broken) _metrics.AnswerBroken(choice.Upstream.ModelId, broken);
            whole = error is null && exchange.Broken is null && context.Response.StatusCode == StatusCodes.Status200OK;
            failure = exchange.Broken;
            if (error is null || context.Response.HasStarted || context.RequestAborted.IsCancellationRequested) return null;
            context.Response.Clear();
            context.Features.Set<IForwarderErrorFeature>(null);
            failure = (error.Exception as UpstreamFailure)?.Kind ?? FailureKind.Died;
            return failure;
        }
        finally
        {
            exchange.Tap?.Finish(whole);
            var now = _time.GetTimestamp();
            TimeSpan? firstByte = exchange.FirstByteAt == 0 ? null : _time.GetElapsedTime(exchange.Began, exchange.FirstByteAt);
            _observer.Ended(new ExchangeEnd(exchange.Upstream, exchange.FirstByteAt == 0 ? 0 : context.Response.StatusCode, failure, firstByte,
                _time.GetElapsedTime(exchange.Began, now), context.RequestAborted.IsCancellationRequested) { Usage = exchange.Usage, IsStream = exchange.IsStream }, context.Request.Path, request);
        }
    }

    private readonly record struct Attempt(ApiError? Error, bool MayTryAgain = false);
}
