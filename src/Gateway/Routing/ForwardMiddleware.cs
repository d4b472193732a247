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
    private readonly Suspects _suspects;

    public ForwardMiddleware(RequestDelegate next, UpstreamChooser chooser, LiveConfig live, IExchangeObserver observer, GatewayMetrics metrics, TimeProvider time)
    {
        (_next, _chooser, _live, _observer, _metrics, _time) = (next, chooser, live, observer, metrics, time);
        _suspects = new Suspects(time);
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
        var (sent, suspected) = (0, false);
        var mayTry = true;
        var last = await _attempts.ExecuteAsync(async _ =>
        {
            var (choice, refusal) = await _chooser.EnterAsync(request, mayTry, deadline.Token, context.RequestAborted);
            if (choice is null) return new Attempt(refusal, refusal?.Code == "worker_busy" && !deadline.IsCancellationRequested);
            var failures = await TryAsync(context, request, choice, suspected);
            if (failures.Kinds is not [.., var failure]) return new Attempt(null);
            suspected |= failures.Kinds.Contains(FailureKind.Died);
            sent += failures.Kinds.Count(kind => kind is not (FailureKind.NotSent or FailureKind.Busy));
            // The active version answers what the one on trial did not, whatever it failed of.
            mayTry = false;
            var again = choice.IsTrial || (sent < MaxSent && failure is not (FailureKind.FirstByteTimeout or FailureKind.Retired or FailureKind.Stopped) && !deadline.IsCancellationRequested);
            return new Attempt(failure == FailureKind.Died && sent >= MaxSent ? UpstreamFailure.GivenUp : UpstreamFailure.ToError(failure, failures.BusyFor), again);
        }, context.RequestAborted);

        if (last.Error is not null) await ErrorEnvelope.WriteAsync(context, last.Error);
        measure.End(context.Response.StatusCode);
    }

    /// <summary>None when an answer (or a part of it) has gone to the client, or the client has gone; otherwise why there was none, the last failure last.</summary>
    private async Task<Failures> TryAsync(HttpContext context, RoutedRequest request, UpstreamChoice choice, bool suspected)
    {
        // Waited for with the upstream entered: one that dies meanwhile was not sent to. Who leaves here, leaves it.
        IDisposable? turn = null;
        try
        {
            if (suspected) turn = await _suspects.TakeTurnAsync(request.ModelId, context.RequestAborted);
        }
        catch
        {
            choice.Upstream.Leave();
            throw;
        }

        var failed = new Failures();
        var exchange = new Exchange(choice.Upstream, choice.IsTrial, _time.GetTimestamp()) { Hedge = Hedge(context, request, choice, failed), Turn = turn };
        exchange.Tap = _observer.Begin(exchange, context.Request.Path, request);
        var (whole, told) = (false, false);
        try
        {
            context.Items[ExchangeItem] = exchange;
            context.Request.Body = request.Body.Open();
            context.ReassignProxyRequest(choice.Cluster);
            context.GetReverseProxyFeature().AvailableDestinations = choice.Destination;
            await _next(context);

            var error = context.GetForwarderErrorFeature();
            if (exchange.Answered.Broken is { } broken) _metrics.AnswerBroken(choice.Upstream.ModelId, broken);
            whole = error is null && exchange.Answered.Broken is null && context.Response.StatusCode == StatusCodes.Status200OK;
            if (error is null || context.Response.HasStarted || context.RequestAborted.IsCancellationRequested) return new Failures();

            context.Response.Clear();
            context.Features.Set<IForwarderErrorFeature>(null);
            told = true;
            // Hedged attempts have told of their failures themselves.
            if (failed.Kinds.Count == 0) Failed(exchange, (error.Exception as UpstreamFailure)?.Kind ?? FailureKind.Died, context, request, failed);
            return failed;
        }
        finally
        {
            if (turn is not null) _ = _suspects.GiveBackAsync(turn, died: failed.Kinds.Contains(FailureKind.Died));
            lock (failed) failed.AreOver = true;
            exchange.Tap?.Finish(whole);
            if (!told) Ended(exchange.Answered, exchange.Answered.Broken, context, request);
            exchange.Answered.Release();
            exchange.Release();
        }
    }

    /// <summary>Null where the model's settings do not ask for it, or a version on trial answers: its failures go to the active one anyway.</summary>
    private HedgePlan? Hedge(HttpContext context, RoutedRequest request, UpstreamChoice choice, Failures failed)
    {
        if (choice.IsTrial || _live.Find(request.ModelId) is not { HedgeAfter: { Ticks: > 0 } after }) return null;
        return new HedgePlan(after, context.Request.Path + context.Request.QueryString, request.Body.Bytes, Other, (attempt, kind) =>
        {
            // A loser may fail when the request and its context are somebody else's.
            lock (failed)
            {
                if (!failed.AreOver) Failed(attempt, kind, context, request, failed);
            }
        });

        Upstream? Other()
        {
            var other = _chooser.EnterOther(choice.Upstream);
            if (other is not null) _metrics.Hedged(request.ModelId);
            return other;
        }
    }

    private void Failed(Exchange attempt, FailureKind kind, HttpContext context, RoutedRequest request, Failures failed)
    {
        failed.Kinds.Add(kind);
        failed.BusyFor = attempt.BusyFor;
        _metrics.AttemptFailed(request.ModelId, kind);
        Ended(attempt, kind, context, request);
    }

    private void Ended(Exchange attempt, FailureKind? failure, HttpContext context, RoutedRequest request)
    {
        TimeSpan? firstByte = attempt.FirstByteAt == 0 ? null : _time.GetElapsedTime(attempt.Began, attempt.FirstByteAt);
        _observer.Ended(new ExchangeEnd(attempt.Upstream, attempt.FirstByteAt == 0 ? 0 : context.Response.StatusCode, failure, firstByte,
            _time.GetElapsedTime(attempt.Began, _time.GetTimestamp()), context.RequestAborted.IsCancellationRequested) { Usage = attempt.Usage, IsStream = attempt.IsStream }, context.Request.Path, request);
    }

    /// <summary>Why attempts of one exchange failed; no more are told once it is over.</summary>
    private sealed class Failures
    {
        public List<FailureKind> Kinds { get; } = [];

        /// <summary>What the last that failed said of when it takes requests again.</summary>
        public TimeSpan? BusyFor { get; set; }

        public bool AreOver { get; set; }
    }

    private readonly record struct Attempt(ApiError? Error, bool MayTryAgain = false);
}
