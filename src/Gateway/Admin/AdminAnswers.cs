using System.Text.Json;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Routing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace FinerCut.Gateway.Admin;

/// <summary>How admin endpoints read bodies and answer.</summary>
internal static class AdminAnswers
{
    private const int LongestBody = 256 << 10;
    private static readonly TimeSpan HeartBeat = TimeSpan.FromSeconds(15);

    public static IResult Ok(object value, int status = StatusCodes.Status200OK) => Results.Json(value, AdminJson.Options, statusCode: status);

    public static IResult Fail(ApiError error) => new Failure(error);

    /// <summary>Reads and checks the body, then answers with what <paramref name="act"/> says.</summary>
    public static async Task<IResult> WithBodyAsync<T>(HttpContext context, Func<ReadOnlyMemory<byte>, (T? Value, ApiError? Error)> read, Func<T, Task<IResult>> act)
        where T : class
    {
        var (body, tooLarge) = await RequestBody.ReadAsync(context.Request, LongestBody, context.RequestAborted);
        if (body is null) return Fail(tooLarge!);
        await SocketLoop.Leave();
        using (body)
        {
            var (value, error) = read(body.Bytes);
            return value is null ? Fail(error!) : await act(value);
        }
    }

    /// <summary>
    /// Server-sent events: the last state first, then what happens, with a comment as heart-beat. Ends with the client, or after the event that
    /// <paramref name="isLast"/> knows.
    /// </summary>
    public static async Task StreamAsync(
        HttpContext context, EventSubscription subscription, IEnumerable<AdminEvent> first, Func<AdminEvent, bool> wanted, Func<AdminEvent, bool> isLast)
    {
        var time = context.RequestServices.GetRequiredService<TimeProvider>();
        // Listeners would otherwise hold up the gateway's end for as long as they like.
        var stopping = context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        foreach (var happened in first)
        {
            await WriteAsync(context, happened);
            if (isLast(happened)) return;
        }

        Task<AdminEvent>? next = null;
        while (true)
        {
            try
            {
                // A read that outlasts a heart-beat is kept: dropped, it would swallow the next event.
                next ??= subscription.Events.ReadAsync(either.Token).AsTask();
                var happened = await next.WaitAsync(HeartBeat, time, either.Token);
                next = null;
                if (!wanted(happened)) continue;
                await WriteAsync(context, happened);
                if (isLast(happened)) return;
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (TimeoutException)
            {
                await context.Response.WriteAsync(": alive\n\n", context.RequestAborted);
            }
        }
    }

    private static async Task WriteAsync(HttpContext context, AdminEvent happened)
    {
        var data = JsonSerializer.Serialize(happened.Data, happened.Data.GetType(), AdminJson.Options);
        await context.Response.WriteAsync($"event: {happened.Kind}\ndata: {data}\n\n", context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }

    private sealed class Failure(ApiError error) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext) => ErrorEnvelope.WriteAsync(httpContext, error);
    }
}
