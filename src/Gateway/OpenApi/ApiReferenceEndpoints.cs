using System.Net;
using FinerCut.Gateway.Configuration;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Scalar.AspNetCore;

namespace FinerCut.Gateway.OpenApi;

/// <summary>
/// /openapi.json, and /reference to read it and try it. Scalar's page and script come out of its package; a content security policy keeps the page from
/// talking to anything but this gateway. Both hold no data, and are hidden from where Admin:LoopbackOnly hides the admin page.
/// </summary>
internal static class ApiReferenceEndpoints
{
    public const string DocumentPath = "/openapi.json";
    public const string PagePath = "/reference";

    public static void MapApiReference(this IEndpointRouteBuilder app, AdminConfig admin)
    {
        var group = app.MapGroup("").AddEndpointFilter(async (context, next) =>
        {
            var http = context.HttpContext;
            if (admin.LoopbackOnly && !(http.Connection.RemoteIpAddress is { } remote && IPAddress.IsLoopback(remote))) return Results.NotFound();
            http.Response.OnStarting(Protect, http);
            return await next(context);
        });
        group.MapGet(DocumentPath, () => Results.Text(ApiDocument.Text, "application/json"));
        group.MapScalarApiReference(PagePath, options => options
            .WithTitle("FinerCut.Gateway: API")
            .WithNonce()
            .AddDocument("v1", routePattern: DocumentPath)
            .DisableDefaultFonts()
            .DisableTelemetry()
            .DisableAgent()
            .HideDeveloperTools()
            .HideClientButton()
            .DisableMcp());
    }

    private static Task Protect(object state)
    {
        var http = (HttpContext)state;
        var nonce = http.Items[ScalarOptions.NonceHttpContextItemKey] as string;
        var headers = http.Response.Headers;

        // Scalar writes its styles into the page, so these cannot be known beforehand; scripts can.
        headers.ContentSecurityPolicy = $"default-src 'none'; script-src 'self'{(nonce is null ? "" : $" 'nonce-{nonce}'")}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        return Task.CompletedTask;
    }
}
