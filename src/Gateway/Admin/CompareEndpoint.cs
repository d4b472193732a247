using System.Net.Http.Headers;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Routing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Gateway.Admin;

/// <summary>
/// POST /admin/models/{model}/versions/{version}/chat: a chat completion of exactly this version, for comparing. The version serves or is on trial; a
/// weight of 0 loads it without sending it any client. Not recorded, not metered, not part of a trial's evidence; the request counts as in
/// flight, so that a drain waits for it.
/// </summary>
internal static class CompareEndpoint
{
    public static void MapCompareAdmin(this IEndpointRouteBuilder admin, RouteOwner routes, ForwardingConfig config)
    {
        var client = new HttpClient(new SocketsHttpHandler { ConnectTimeout = config.ConnectTimeout, AllowAutoRedirect = false, UseProxy = false, UseCookies = false }) { Timeout = Timeout.InfiniteTimeSpan };
        admin.MapPost("/models/{model}/versions/{version}/chat", async (string model, string version, HttpContext context) =>
        {
            var (body, tooLarge) = await RequestBody.ReadAsync(context.Request, config.MaxBodyBytes, context.RequestAborted);
            if (body is null)
            {
                await ErrorEnvelope.WriteAsync(context, tooLarge!);
                return;
            }

            using (body)
            {
                if (!routes.Current.Models.TryGetValue(model, out var route)) await ErrorEnvelope.WriteAsync(context, ApiError.NotFound("There is no such model; GET /admin/models lists them.", "model_not_found"));
                else if (route.AllUpstreams.FirstOrDefault(upstream => upstream.VersionId == version && upstream.TryEnter()) is not { } entered) await ErrorEnvelope.WriteAsync(context, NotLoaded(model, version));
                else await AnswerAsync(context, client, body, entered);
            }
        });
    }

    private static ApiError NotLoaded(string model, string version) => ApiError.Conflict(
        $"Version {version} of {model} is not loaded. POST /admin/models/{model}/canary with this version and the weight 0 loads it beside the active one.", "version_not_loaded");

    private static async Task AnswerAsync(HttpContext context, HttpClient client, RequestBody body, Upstream upstream)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, upstream.Ended);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, upstream.Url + "/v1/chat/completions") { Content = new StreamContent(body.Open()) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            if (upstream.Key is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", upstream.Key);
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            context.Response.StatusCode = (int)response.StatusCode;
            context.Response.ContentType = response.Content.Headers.ContentType?.ToString();
            context.Response.Headers.CacheControl = "no-store";
            await using var answer = await response.Content.ReadAsStreamAsync(either.Token);
            var piece = new byte[16 << 10];
            for (int read; (read = await answer.ReadAsync(piece, either.Token)) > 0;)
            {
                await context.Response.Body.WriteAsync(piece.AsMemory(0, read), either.Token);
                await context.Response.Body.FlushAsync(either.Token);
            }
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            if (context.RequestAborted.IsCancellationRequested) return;
            if (context.Response.HasStarted) context.Abort();
            else await ErrorEnvelope.WriteAsync(context, UpstreamFailure.ToError(upstream.Ended.IsCancellationRequested ? upstream.EndedBy : FailureKind.Died));
        }
        finally
        {
            upstream.Leave();
        }
    }
}
