using System.Net;
using FinerCut.Gateway.Configuration.Live;

namespace FinerCut.Gateway.Routing;

/// <summary>
/// Sits between YARP and the socket. Answers are handed to YARP only once their first byte is there: until then every failure is an
/// <see cref="UpstreamFailure"/> and the request can be tried again. Event streams are then passed on as they come, and end with a typed error
/// event when they break; other answers are read whole first (up to a bound), so that they are whole or not there.
/// </summary>
internal sealed class AnswerGuard(HttpMessageHandler inner, LiveConfig live, TimeProvider time) : DelegatingHandler(inner)
{
    private const int LongestHeldAnswer = 8 << 20;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (!request.Options.TryGetValue(Exchange.Option, out var exchange)) return await base.SendAsync(request, cancellationToken);
        using var late = new CancellationTokenSource(live.Forwarding.FirstByteTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource([late.Token, cancellationToken, exchange.Upstream.Ended, exchange.Lost]);
        HttpResponseMessage? response = null;
        try
        {
            response = await base.SendAsync(request, either.Token);
            if (response.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout
                || (exchange.IsTrial && response.StatusCode >= HttpStatusCode.InternalServerError))
            {
                exchange.BusyFor = response.Headers.RetryAfter?.Delta;
                throw new UpstreamFailure(FailureKind.Busy);
            }

            var body = await response.Content.ReadAsStreamAsync(either.Token);
            var held = response.Content;
            response.Content = held.Headers.ContentType?.MediaType == "text/event-stream"
                ? Content(await EventsAsync(body, exchange, cancellationToken, either.Token), held)
                : Content(await WholeAsync(body, exchange, either.Token), held);
            exchange.FirstByteAt = time.GetTimestamp();
            exchange.Turn?.Dispose();
            return response;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            response?.Dispose();
            if (exchange.Lost.IsCancellationRequested) throw;
            // SocketsHttpHandler reports its connect time-out as a cancellation of its own.
            throw new UpstreamFailure(exchange.Upstream.Ended.IsCancellationRequested ? exchange.Upstream.EndedBy
                : late.IsCancellationRequested ? FailureKind.FirstByteTimeout : FailureKind.NotSent);
        }
        catch (UpstreamFailure)
        {
            response?.Dispose();
            throw;
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            response?.Dispose();
            var unsent = exception is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError };
            throw new UpstreamFailure(unsent ? FailureKind.NotSent : FailureKind.Died, exception);
        }
    }

    private async Task<Stream> EventsAsync(Stream body, Exchange exchange, CancellationToken client, CancellationToken firstByte)
    {
        exchange.IsStream = true;
        var stream = new EventStream(body, exchange, live.Forwarding.IdleTimeout, time, client);
        try
        {
            await stream.BeginAsync(firstByte);
            return stream;
        }
        catch
        {
            // It is registered with the upstream's token, which outlives the request.
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>The whole answer, or (past the bound) its beginning with the rest behind it, which is neither tapped nor tried again.</summary>
    private static async Task<Stream> WholeAsync(Stream body, Exchange exchange, CancellationToken cancellationToken)
    {
        var whole = new MemoryStream();
        var buffer = new byte[16 << 10];
        int read;
        while ((read = await body.ReadAsync(buffer, cancellationToken)) > 0)
        {
            whole.Write(buffer, 0, read);
            if (whole.Length <= LongestHeldAnswer) continue;
            whole.Position = 0;
            return new PrefixedStream(whole, body);
        }

        exchange.Usage = AnswerUsage.In(whole.GetBuffer().AsSpan(0, (int)whole.Length));
        exchange.Tap?.Append(whole.GetBuffer().AsSpan(0, (int)whole.Length));
        await body.DisposeAsync();
        whole.Position = 0;
        return whole;
    }

    private static StreamContent Content(Stream stream, HttpContent original)
    {
        var content = new StreamContent(stream);
        foreach (var header in original.Headers.NonValidated)
        {
            foreach (var value in header.Value) content.Headers.TryAddWithoutValidation(header.Key, value);
        }

        return content;
    }
}
