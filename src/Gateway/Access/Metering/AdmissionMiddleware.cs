using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Queueing;
using FinerCut.Gateway.Access.Quotas;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Routing;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace FinerCut.Gateway.Access.Metering;

/// <summary>
/// Between the body's reading and its forwarding: reserves what the request may use, waits for its turn, and settles with what it did use.
/// Answers 429 where a limit or the queue is met.
/// </summary>
public sealed class AdmissionMiddleware(RequestDelegate next, AccessConfig config, IQuotaLedger ledger, ModelQueues queues, AccessMetrics metrics)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var request = context.Features.GetRequiredFeature<RoutedRequest>();
        var key = context.Features.GetRequiredFeature<AccessGrant>().Key;
        request.MayRecord = key.Recording;
        request.Sender = key.Id;
        request.SenderClass = key.Priority.ToString();
        var endpoint = ApiEndpoints.Of(context.Request.Path.Value ?? "");
        if (!ApiEndpoints.Computes(endpoint))
        {
            await next(context);
            return;
        }

        var completes = endpoint is not (ApiEndpoint.Embeddings or ApiEndpoint.Rerank);
        var estimate = TokenEstimate.Of(request.Body.Bytes.Span, completes, config.DefaultMaxTokens);
        if (key.Limits.AreOpen)
        {
            await QueueAsync(context, request.ModelId, key, estimate);
            return;
        }

        QuotaTicket? ticket;
        try
        {
            (var decision, ticket) = await ledger.ReserveAsync(key.Id, key.Limits, estimate.Total);
            var refused = decision as QuotaRefused;
            RateLimitHeaders.Attach(context.Response, decision.View, refused?.RetryAfter, mayRetry: refused is null or { RetryAfter: not null });
            if (refused is not null)
            {
                await RefuseAsync(context, Words(refused));
                return;
            }
        }
        catch (QuotaStoreException)
        {
            await RefuseAsync(context, ApiError.Unavailable("The limits of this key cannot be counted now; try again.", "quota_store_unavailable", TimeSpan.FromSeconds(1)));
            return;
        }

        await SettleAsync(context, new Meter(ledger, ticket!, estimate), request.ModelId, key, estimate);
    }

    private static ApiError Words(QuotaRefused refused)
    {
        var (what, code) = refused.Kind switch
        {
            QuotaKind.Requests => ("requests per minute", "rate_limit_exceeded"),
            QuotaKind.Tokens => ("tokens per minute", "rate_limit_exceeded"),
            QuotaKind.Concurrency => ("requests at the same time", "concurrency_limit_exceeded"),
            QuotaKind.DailyTokens => ("tokens per day", "insufficient_quota"),
            _ => throw new ArgumentOutOfRangeException(nameof(refused), refused.Kind, null),
        };
        var advice = refused.RetryAfter is null
            ? $"This request alone may need {refused.Asked}: shorten it, or set a smaller max_tokens."
            : "Wait for as long as Retry-After says.";
        return new ApiError(StatusCodes.Status429TooManyRequests, $"The limit of this key is met: {refused.Limit} {what}. {advice}",
            refused.Kind is QuotaKind.Tokens or QuotaKind.DailyTokens ? "tokens" : "requests", code) { RetryAfter = refused.RetryAfter };
    }

    private async Task SettleAsync(HttpContext context, Meter meter, string modelId, AccessKey key, TokenEstimate estimate)
    {
        var original = context.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
        var body = new MeteredBody(original.Stream, () => (Meter.ScannerFor(context.Response), context.Response.ContentLength), meter.SettleAsync);
        context.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(body, original));
        var served = false;
        try
        {
            served = await QueueAsync(context, modelId, key, estimate);
        }
        finally
        {
            context.Features.Set(original);
            await meter.EndAsync(body.Scanner, served, gone: context.RequestAborted.IsCancellationRequested);
            if (meter.Charged > 0) metrics.Charged(modelId, key.Priority, meter.Charged);
        }
    }

    /// <returns>Whether the request got its turn.</returns>
    private async Task<bool> QueueAsync(HttpContext context, string modelId, AccessKey key, TokenEstimate estimate)
    {
        var claim = new QueueClaim(key.Id, key.Priority, key.Weight, Math.Max(1, estimate.Total));
        var outcome = await queues.Of(modelId).EnterAsync(claim, context.RequestAborted);
        metrics.Waited(modelId, key.Priority, outcome.Waited);
        if (outcome.Place is null)
        {
            RateLimitHeaders.Attach(context.Response, null, outcome.RetryAfter, mayRetry: true);
            await RefuseAsync(context, Words(outcome));
            return false;
        }

        using var place = outcome.Place;
        await next(context);
        return true;
    }

    private static ApiError Words(QueueOutcome outcome) => new(
        StatusCodes.Status429TooManyRequests,
        outcome.Fate switch
        {
            QueueFate.Full => "Too many requests are waiting for this model.",
            QueueFate.Displaced => "More urgent requests took this one's place in the queue.",
            _ => $"The request waited {Math.Round(outcome.Waited.TotalSeconds)} seconds for its turn and did not get one.",
        },
        "requests",
        outcome.Fate switch { QueueFate.Full => "queue_full", QueueFate.Displaced => "queue_displaced", _ => "queue_timeout" })
    { RetryAfter = outcome.RetryAfter };

    private Task RefuseAsync(HttpContext context, ApiError error)
    {
        metrics.Refused(error.Code);
        return ErrorEnvelope.WriteAsync(context, error);
    }
}
