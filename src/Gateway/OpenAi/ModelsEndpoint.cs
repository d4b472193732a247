using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Routing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Gateway.OpenAi;

/// <summary>GET /v1/models, /v1/models/{model} and /health.</summary>
public static class ModelsEndpoint
{
    public static void MapModels(this IEndpointRouteBuilder app, GatewayConfig config, RouteOwner routes)
    {
        app.MapGet("/v1/models", (HttpContext context) => Results.Json(new { @object = "list", data = config.Models.Where(model => IsSeen(context, model.Id)).Select(View) }));
        app.MapGet("/v1/models/{model}", async (string model, HttpContext context) =>
        {
            if (config.Models.FirstOrDefault(known => known.Id == model && IsSeen(context, model)) is { } found)
            {
                await context.Response.WriteAsJsonAsync(View(found), context.RequestAborted);
                return;
            }

            await ErrorEnvelope.WriteAsync(context, ApiError.NotFound("There is no such model; GET /v1/models lists them.", "model_not_found") with { Param = "model" });
        });
        // The process answers, whatever its models do: what an orchestrator asks before it restarts it.
        app.MapGet("/livez", () => Results.Text("alive\n"));
        app.MapGet("/health", () =>
        {
            var models = routes.Current.Models;
            var ready = models.Count > 0 && models.Values.All(route => route.Availability is RouteAvailability.Ready || (route.Availability is RouteAvailability.Asleep && route.Problem is null));
            var status = ready ? "ok" : models.Values.Any(route => route.Availability == RouteAvailability.Down) ? "degraded" : "loading";
            return Results.Json(
                new { status, models = models.Values.ToDictionary(route => route.ModelId, route => new { version = route.VersionId, state = route.Availability.ToString().ToLowerInvariant(), reason = route.Reason }) },
                statusCode: ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
        });
    }

    /// <summary>A key sees the models that it may use.</summary>
    private static bool IsSeen(HttpContext context, string modelId) => context.Features.Get<IModelScope>()?.Allows(modelId) ?? true;

    private static object View(ModelConfig model) => new
    {
        id = model.Id,
        @object = "model",
        created = model.IsExternal || !File.Exists(model.Path) ? 0 : new DateTimeOffset(File.GetLastWriteTimeUtc(model.Path)).ToUnixTimeSeconds(),
        owned_by = "finercut",
    };
}
