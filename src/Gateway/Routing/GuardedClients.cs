using FinerCut.Gateway.Configuration;
using Microsoft.Extensions.Logging;
using Yarp.ReverseProxy.Forwarder;

namespace FinerCut.Gateway.Routing;

/// <summary>YARP's HTTP clients, each behind an <see cref="AnswerGuard"/>.</summary>
internal sealed class GuardedClients(ForwardingConfig config, TimeProvider time, ILogger<ForwarderHttpClientFactory> logger) : ForwarderHttpClientFactory(logger)
{
    protected override void ConfigureHandler(ForwarderHttpClientContext context, SocketsHttpHandler handler)
    {
        base.ConfigureHandler(context, handler);
        handler.ConnectTimeout = config.ConnectTimeout;
        handler.PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30);
    }

    protected override HttpMessageHandler WrapHandler(ForwarderHttpClientContext context, HttpMessageHandler handler) =>
        new AnswerGuard(base.WrapHandler(context, handler), config, time);
}
