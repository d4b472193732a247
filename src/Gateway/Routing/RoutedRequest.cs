using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.OpenAi;
using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.Routing;

/// <summary>Which models the sender of a request may use and see; a feature of the request. Without it: all.</summary>
public interface IModelScope
{
    bool Allows(string modelId);
}

/// <summary>A request whose body was read and whose model is known; a feature of the request, valid until it ends.</summary>
public sealed class RoutedRequest(RequestBody body, RequestHead head, string modelId)
{
    public RequestBody Body { get; } = body;

    public RequestHead Head { get; } = head;

    public string ModelId { get; } = modelId;

    /// <summary>Id of the key in whose name it is made.</summary>
    public string Sender { get; set; } = "";

    /// <summary>Its priority class, a word.</summary>
    public string SenderClass { get; set; } = "";

    /// <summary>Whether the sender agrees that the exchange is recorded where its route records.</summary>
    public bool MayRecord { get; set; } = true;
}

/// <summary>First in YARP's pipeline: reads the body within its bounds and finds the model that it names.</summary>
public sealed class RequestMiddleware(RequestDelegate next, UpstreamChooser chooser, LiveConfig live)
{
    /// <summary>Bodies of more are not scanned on a socket's thread: megabytes take milliseconds, for which its other streams would wait.</summary>
    private const int LongBody = 128 << 10;

    public async Task InvokeAsync(HttpContext context)
    {
        var (body, tooLarge) = await RequestBody.ReadAsync(context.Request, live.Forwarding.MaxBodyBytes, context.RequestAborted);
        if (body is null)
        {
            await ErrorEnvelope.WriteAsync(context, tooLarge!);
            return;
        }

        using (body)
        {
            if (body.Bytes.Length > LongBody) await SocketLoop.Leave();
            var (head, malformed) = RequestHead.Parse(body.Bytes.Span);
            var (modelId, unknown) = head is null ? (null, malformed) : chooser.ModelOf(head, context.Features.Get<IModelScope>());
            if (modelId is null)
            {
                await ErrorEnvelope.WriteAsync(context, unknown!);
                return;
            }

            context.Features.Set(new RoutedRequest(body, head!, modelId));
            await next(context);
        }
    }
}
