using System.Buffers;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Http;
using Polly;
using Polly.Hedging;

namespace FinerCut.Gateway.Routing;

/// <summary>How one request may be asked a second time, elsewhere, while its first upstream has not begun to answer.</summary>
/// <param name="After">Of silence; when the first upstream fails before that, the second is asked at once.</param>
/// <param name="Target">Path and query.</param>
/// <param name="Body">Valid until the request ends, which losers may outlive: each attempt has its own copy.</param>
/// <param name="Other">Enters another upstream, which then must be left; null where there is none.</param>
/// <param name="Failed">Told of every attempt that failed of itself.</param>
internal sealed record HedgePlan(TimeSpan After, string Target, ReadOnlyMemory<byte> Body, Func<Upstream?> Other, Action<Exchange, FailureKind> Failed);

/// <summary>
/// Outermost of YARP's handlers: where an exchange has a <see cref="HedgePlan"/>, the answer that begins first (of one that is not streamed: that is
/// whole first) is the answer, and the other attempt is cancelled. Nothing of a loser is tapped, counted or passed on. Exchanges without a plan pass.
/// </summary>
internal sealed class Hedging : DelegatingHandler
{
    private static readonly ResiliencePropertyKey<Race> RaceKey = new("finercut.race");
    private readonly ResiliencePipeline<HttpResponseMessage> _pipeline;
    private readonly TimeProvider _time;

    public Hedging(HttpMessageHandler inner, TimeProvider time) : base(inner)
    {
        _time = time;
        _pipeline = new ResiliencePipelineBuilder<HttpResponseMessage> { TimeProvider = time }
            .AddHedging(new HedgingStrategyOptions<HttpResponseMessage>
            {
                MaxHedgedAttempts = 1,
                DelayGenerator = arguments => ValueTask.FromResult(Of(arguments.Context).Plan.After),
                ShouldHandle = arguments => ValueTask.FromResult(arguments.Outcome.Exception is UpstreamFailure or LostRace),
                ActionGenerator = arguments =>
                {
                    var race = Of(arguments.PrimaryContext);
                    return race.Plan.Other() is { } other ? () => race.AskAsync(new Exchange(other, race.Asked.IsTrial, _time.GetTimestamp()), arguments.ActionContext.CancellationToken) : null;
                },
            })
            .Build();
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (!request.Options.TryGetValue(Exchange.Option, out var exchange) || exchange.Hedge is not { } plan) return await base.SendAsync(request, cancellationToken);
        var context = ResilienceContextPool.Shared.Get(cancellationToken);
        try
        {
            var race = new Race(this, exchange, plan, request, cancellationToken);
            context.Properties.Set(RaceKey, race);
            var outcome = await _pipeline.ExecuteOutcomeAsync(static (context, race) => race.AskAsync(race.Asked, context.CancellationToken), context, race);
            outcome.ThrowIfException();
            return outcome.Result!;
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    private static Race Of(ResilienceContext context) => context.Properties.GetValue(RaceKey, null!);

    private Task<HttpResponseMessage> SendOneAsync(HttpRequestMessage request, CancellationToken cancellationToken) => base.SendAsync(request, cancellationToken);

    /// <param name="Asked">What YARP asked for; its upstream is the first to be asked.</param>
    /// <param name="Client">Cancelled when the client goes; lives as long as the answer, as Polly's tokens do not.</param>
    private sealed record Race(Hedging Hedging, Exchange Asked, HedgePlan Plan, HttpRequestMessage Request, CancellationToken Client)
    {
        private Exchange? _winner;

        /// <summary>The exchange's upstream has been entered; it is left here unless its answer wins.</summary>
        public async ValueTask<Outcome<HttpResponseMessage>> AskAsync(Exchange exchange, CancellationToken over)
        {
            using var lost = new CancellationTokenSource();
            var held = new HeldTap();
            var tap = Asked.Tap;
            var attempt = new Exchange(exchange.Upstream, exchange.IsTrial, exchange.Began) { Tap = tap is null ? null : held, Lost = lost.Token };
            try
            {
                HttpResponseMessage response;
                await using (over.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), lost)) response = await Hedging.SendOneAsync(Copy(attempt), Client);
                if (Interlocked.CompareExchange(ref _winner, attempt, null) is not null)
                {
                    response.Dispose();
                    throw new LostRace();
                }

                tap?.Append(held.Bytes);
                attempt.Tap = tap;
                attempt.Holder = exchange;
                Asked.Answered = attempt;
                return Outcome.FromResult(response);
            }
            catch (Exception exception)
            {
                exchange.Release();
                if (exception is UpstreamFailure failure) Plan.Failed(attempt, failure.Kind);
                return Outcome.FromException<HttpResponseMessage>(exception);
            }
        }

        private HttpRequestMessage Copy(Exchange attempt)
        {
            var copy = new HttpRequestMessage(Request.Method, new Uri(attempt.Upstream.Url + Plan.Target)) { Version = Request.Version, VersionPolicy = Request.VersionPolicy, Content = new ByteArrayContent(Plan.Body.ToArray()) };
            foreach (var (name, values) in Request.Headers.NonValidated) copy.Headers.TryAddWithoutValidation(name, values);
            foreach (var (name, values) in Request.Content!.Headers.NonValidated) copy.Content.Headers.TryAddWithoutValidation(name, values);
            copy.Content.Headers.ContentLength = Plan.Body.Length;
            copy.Headers.TransferEncodingChunked = null;
            copy.Headers.Host = null;
            copy.Headers.Authorization = attempt.Upstream.Key is { } key ? new AuthenticationHeaderValue("Bearer", key) : null;
            copy.Options.Set(Exchange.Option, attempt);
            return copy;
        }
    }

    /// <summary>The other attempt was a moment quicker.</summary>
    private sealed class LostRace : OperationCanceledException;

    /// <summary>An answer's first bytes, until it is known whether it is the answer.</summary>
    private sealed class HeldTap : IAnswerTap
    {
        private readonly ArrayBufferWriter<byte> _bytes = new();

        public ReadOnlySpan<byte> Bytes => _bytes.WrittenSpan;

        public void Append(ReadOnlySpan<byte> bytes) => _bytes.Write(bytes);

        public void Finish(bool whole)
        {
        }
    }
}
