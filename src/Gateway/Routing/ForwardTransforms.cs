using System.Net.Http.Headers;
using Yarp.ReverseProxy.Transforms;
using Yarp.ReverseProxy.Transforms.Builder;

namespace FinerCut.Gateway.Routing;

/// <summary>What differs between the request as it came and as the worker gets it: whose key it carries. Answers name their version.</summary>
internal static class ForwardTransforms
{
    public const string VersionHeader = "x-finercut-version";

    public static void Add(TransformBuilderContext builder)
    {
        builder.UseDefaultForwarders = false;
        builder.AddRequestTransform(context =>
        {
            var exchange = (Exchange)context.HttpContext.Items[ForwardMiddleware.ExchangeItem]!;
            context.ProxyRequest.Options.Set(Exchange.Option, exchange);
            // A client's key and cookies are this gateway's business and go no further.
            context.ProxyRequest.Headers.Remove("Cookie");
            context.ProxyRequest.Headers.Remove("x-api-key");
            // Answers are read on their way (events, usage), so they must come as they are.
            context.ProxyRequest.Headers.AcceptEncoding.Clear();
            context.ProxyRequest.Headers.Authorization = exchange.Upstream.Key is { } key ? new AuthenticationHeaderValue("Bearer", key) : null;
            return ValueTask.CompletedTask;
        });
        builder.AddResponseTransform(context =>
        {
            if (context.ProxyResponse is null) return ValueTask.CompletedTask;
            var exchange = (Exchange)context.HttpContext.Items[ForwardMiddleware.ExchangeItem]!;
            var headers = context.HttpContext.Response.Headers;
            headers.Remove("Server");
            if (!headers.ContainsKey(VersionHeader)) headers[VersionHeader] = exchange.Upstream.VersionId;
            return ValueTask.CompletedTask;
        });
    }
}
