using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Gateway.Admin;

/// <summary>/admin/config: what was read last, its schema, and reading it again.</summary>
internal static class ConfigEndpoints
{
    public static void MapConfigAdmin(this IEndpointRouteBuilder admin, ConfigReload reload)
    {
        admin.MapGet("/config", () => AdminAnswers.Ok(reload.Status));
        admin.MapGet("/config/schema", () => Results.Text(ConfigSchema.Text, "application/schema+json"));
        admin.MapPost("/config/reload", () => reload.Reload() is { Errors.IsEmpty: false } failed ? AdminAnswers.Ok(failed, StatusCodes.Status422UnprocessableEntity) : AdminAnswers.Ok(reload.Status));
    }
}
