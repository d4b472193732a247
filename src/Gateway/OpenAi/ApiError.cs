using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.OpenAi;

/// <summary>An expected failure as clients see it: the one shape of every error that this program itself answers.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Message">What is wrong and what to do; never holds prompt or answer text.</param>
/// <param name="Type">OpenAI's kind, such as invalid_request_error or server_error.</param>
/// <param name="Code">Stable and machine-readable.</param>
public sealed record ApiError(int Status, string Message, string Type, string Code)
{
    /// <summary>The member of the request that is at fault.</summary>
    public string? Param { get; init; }

    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Whether a client that tries again by itself should; said only where it should not, by OpenAI's x-should-retry.</summary>
    public bool MayRetry { get; init; } = true;

    public static ApiError Invalid(string message, string code, string? param = null) =>
        new(StatusCodes.Status400BadRequest, message, "invalid_request_error", code) { Param = param };

    public static ApiError NotFound(string message, string code) => new(StatusCodes.Status404NotFound, message, "invalid_request_error", code);

    public static ApiError Conflict(string message, string code) => new(StatusCodes.Status409Conflict, message, "invalid_request_error", code);

    public static ApiError Unavailable(string message, string code, TimeSpan? retryAfter = null) =>
        new(StatusCodes.Status503ServiceUnavailable, message, "server_error", code) { RetryAfter = retryAfter };

    public static ApiError Server(int status, string message, string code) => new(status, message, "server_error", code);
}

/// <summary>The one place that writes errors: OpenAI's envelope, as a body or as the last event of a stream.</summary>
public static class ErrorEnvelope
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.Never,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Does nothing once the response has started.</summary>
    public static Task WriteAsync(HttpContext context, ApiError error)
    {
        if (context.Response.HasStarted || context.RequestAborted.IsCancellationRequested) return Task.CompletedTask;
        context.Response.Clear();
        context.Response.StatusCode = error.Status;
        context.Response.ContentType = "application/json";
        if (error.RetryAfter is { } wait)
        {
            context.Response.Headers.RetryAfter = Math.Max(1, Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        }

        if (!error.MayRetry) context.Response.Headers["x-should-retry"] = "false";
        return context.Response.Body.WriteAsync(Bytes(error), context.RequestAborted).AsTask();
    }

    /// <summary>A server-sent event that ends a stream which broke.</summary>
    public static byte[] Event(ApiError error) => [.. "data: "u8, .. Bytes(error), .. "\n\n"u8];

    public static byte[] Bytes(ApiError error) => JsonSerializer.SerializeToUtf8Bytes(new Envelope(new Body(error.Message, error.Type, error.Param, error.Code)), Json);

    private sealed record Envelope(Body Error);

    private sealed record Body(string Message, string Type, string? Param, string Code);
}
