using System.Net;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.OpenAi;
using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.Access;

/// <summary>Lets a request to /admin pass only from this machine (by default) and with the admin key.</summary>
public sealed class AdminGate(AdminConfig config, AdminKey key) : IEndpointFilter
{
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        if (config.LoopbackOnly && !(http.Connection.RemoteIpAddress is { } remote && IPAddress.IsLoopback(remote)))
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return Results.Empty;
        }

        // What admins ask for reads files' heads, writes databases, unseals recordings.
        await SocketLoop.Leave();
        if (http.Features.Get<AccessGrant>() is not null) return await next(context);
        var header = http.Request.Headers.Authorization.ToString();
        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) && key.Matches(header["Bearer ".Length..].Trim())) return await next(context);
        http.Response.Headers.WWWAuthenticate = "Bearer";
        await ErrorEnvelope.WriteAsync(http, new ApiError(
            StatusCodes.Status401Unauthorized,
            key.File is null
                ? "Send the admin key (Admin:Key of the settings) as 'Authorization: Bearer …'."
                : "Send the admin key as 'Authorization: Bearer …'; it lies in the file admin.key of the state folder.",
            "invalid_request_error",
            "invalid_admin_key"));
        return Results.Empty;
    }
}
