using System.Net;
using FinerCut.Gateway.Configuration;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Gateway.Ui;

/// <summary>
/// The chat page at /, the admin page at /admin, and /ui/… for what they are made of. They hold no data: what they show, they ask of the API with
/// the key that the reader types in.
/// </summary>
public static class UiEndpoints
{
    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Head];

    public static void MapUi(this IEndpointRouteBuilder app, AdminConfig admin)
    {
        var assets = UiAssets.Load();
        app.MapMethods("/", Methods, context => SendAsync(context, assets, "chat.html"));
        app.MapMethods("/admin", Methods, context =>
        {
            // Whom the admin endpoints do not answer is not shown their page either.
            var hidden = admin.LoopbackOnly && !(context.Connection.RemoteIpAddress is { } remote && IPAddress.IsLoopback(remote));
            return SendAsync(context, assets, hidden ? "" : "admin.html");
        });
        app.MapMethods("/ui/{name}", Methods, context => SendAsync(context, assets, (string?)context.GetRouteValue("name") ?? ""));
    }

    private static async Task SendAsync(HttpContext context, UiAssets assets, string name)
    {
        var response = context.Response;
        if (assets.Find(name) is not { } asset)
        {
            response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        var headers = response.Headers;
        headers.ContentSecurityPolicy = assets.ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.CacheControl = "no-cache";
        headers.ETag = asset.Tag;
        headers.Vary = "Accept-Encoding";
        if (context.Request.Headers.IfNoneMatch == asset.Tag)
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        var packed = context.Request.Headers.AcceptEncoding.ToString().Contains("gzip", StringComparison.OrdinalIgnoreCase);
        if (packed) headers.ContentEncoding = "gzip";
        var body = packed ? asset.Gzip : asset.Content;
        response.ContentType = asset.ContentType;
        response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method)) await response.Body.WriteAsync(body, context.RequestAborted);
    }
}
