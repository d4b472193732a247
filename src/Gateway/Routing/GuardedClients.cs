using FinerCut.Gateway.Configuration.Live;
using Microsoft.Extensions.Logging;
using Yarp.ReverseProxy.Forwarder;

namespace FinerCut.Gateway.Routing;

/// <summary>YARP's HTTP clients, each behind an <see cref="AnswerGuard"/> and <see cref="Hedging"/>.</summary>
internal sealed class GuardedClients(LiveConfig live, TimeProvider time, ILogger<ForwarderHttpClientFactory> logger) : ForwarderHttpClientFactory(logger)
{
    protected override void ConfigureHandler(ForwarderHttpClientContext context, SocketsHttpHandler handler)
    {
        base.ConfigureHandler(context, handler);
        handler.ConnectTimeout = live.Forwarding.ConnectTimeout;
        handler.PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30);
        handler.ConnectCallback = UpstreamSocket.ConnectAsync;
    }

    protected override HttpMessageHandler WrapHandler(ForwarderHttpClientContext context, HttpMessageHandler handler) =>
        new Hedging(new AnswerGuard(base.WrapHandler(context, handler), live, time), time);
}
