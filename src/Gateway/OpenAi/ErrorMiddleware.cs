using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.OpenAi;

/// <summary>Outermost: whatever nobody answered, or threw, leaves as OpenAI's envelope.</summary>
public sealed class ErrorMiddleware(RequestDelegate next, ILogger<ErrorMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            return;
        }
        catch (BadHttpRequestException exception)
        {
            await ErrorEnvelope.WriteAsync(context, new ApiError(exception.StatusCode, exception.Message, "invalid_request_error", "bad_request"));
            return;
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            logger.LogError(exception, "Unexpected failure of {Method} {Path}.", context.Request.Method, context.Request.Path);
            await ErrorEnvelope.WriteAsync(context, ApiError.Server(500, "Unexpected failure in the gateway; its log says more.", "internal_error"));
            return;
        }

        if (context.Response.HasStarted || context.Response.ContentLength > 0) return;
        switch (context.Response.StatusCode)
        {
            case StatusCodes.Status404NotFound:
                await ErrorEnvelope.WriteAsync(context, ApiError.NotFound(
                    $"Nothing is at {context.Request.Path}. This gateway serves /v1/*, /admin/*, /health and /metrics.", "unknown_url"));
                break;
            case StatusCodes.Status405MethodNotAllowed:
                await ErrorEnvelope.WriteAsync(context, new ApiError(
                    405, $"{context.Request.Method} is not allowed at {context.Request.Path}.", "invalid_request_error", "method_not_allowed"));
                break;
            case StatusCodes.Status415UnsupportedMediaType:
                await ErrorEnvelope.WriteAsync(context, new ApiError(415, "Send the body as application/json.", "invalid_request_error", "unsupported_media_type"));
                break;
            default:
                break;
        }
    }
}
