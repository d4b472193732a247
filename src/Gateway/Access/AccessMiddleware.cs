using System.Security.Cryptography;
using System.Text;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Routing;
using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.Access;

/// <summary>
/// Before every endpoint: who sends this, and may they? Sets <see cref="AccessGrant"/> and answers 401 and 403. The admin key is
/// <see cref="AdminGate"/>'s business, which also takes a grant with the admin scope.
/// </summary>
public sealed class AccessMiddleware(RequestDelegate next, AccessConfig config, KeyRing keys, AccessMetrics metrics)
{
    private readonly byte[]? _settingsKey = config.Key is null ? null : Hash(config.Key);

    public async Task InvokeAsync(HttpContext context)
    {
        var endpoint = ApiEndpoints.Of(context.Request.Path.Value ?? "");
        if (endpoint == ApiEndpoint.Public)
        {
            await next(context);
            return;
        }

        var credentials = Credentials.Of(context.Request.Headers);
        var grant = credentials.Wrong ? null : await GrantAsync(context, credentials.Key);
        if (endpoint == ApiEndpoint.Admin && (grant is null || grant == AccessGrant.Loopback))
        {
            await next(context);
            return;
        }

        if (Refusal(credentials, grant, endpoint) is { } refusal)
        {
            metrics.Refused(refusal.Code);
            if (refusal.Status == StatusCodes.Status401Unauthorized) context.Response.OnStarting(Challenge, context.Response);
            await ErrorEnvelope.WriteAsync(context, refusal);
            return;
        }

        // What has no row in the scope matrix is not forwarded: another server may have endpoints that no scope and no quota here knows.
        if (endpoint == ApiEndpoint.Unknown && ApiEndpoints.WouldBeForwarded(context.Request))
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        context.Features.Set(grant);
        context.Features.Set<IModelScope>(grant);
        await next(context);
    }

    private static Task Challenge(object response)
    {
        ((HttpResponse)response).Headers.WWWAuthenticate = "Bearer";
        return Task.CompletedTask;
    }

    private static ApiError? Refusal(Credentials credentials, AccessGrant? grant, ApiEndpoint endpoint)
    {
        if (credentials.Wrong)
        {
            return Unauthorized("Send one key, as 'Authorization: Bearer …' or as 'x-api-key: …'; this request carries several or none that can be read.");
        }

        if (grant is null)
        {
            return Unauthorized(credentials.Key is null
                ? "This gateway asks for a key: 'Authorization: Bearer fc-…' (or 'x-api-key: fc-…')."
                : "The key is not known here, has expired or is disabled.");
        }

        return ScopeMatrix.Allows(grant.Key.Scopes, endpoint) ? null : new ApiError(
            StatusCodes.Status403Forbidden,
            $"The key '{grant.Key.Name}' lacks the scope '{ScopeMatrix.Needed(endpoint).ToString().ToLowerInvariant()}'. An admin can add it: PATCH /admin/keys/{grant.Key.Id}.",
            "permission_error",
            "insufficient_scope");
    }

    private static ApiError Unauthorized(string message) => new(StatusCodes.Status401Unauthorized, message, "authentication_error", "invalid_api_key");

    private async ValueTask<AccessGrant?> GrantAsync(HttpContext context, string? text)
    {
        if (await keys.FindAsync(text, context.RequestAborted) is { } key) return new AccessGrant(key);
        if (text is not null && _settingsKey is not null && CryptographicOperations.FixedTimeEquals(Hash(text), _settingsKey)) return AccessGrant.Settings;

        // Clients that insist on sending some key may send any, but a key of this gateway that is wrong stays wrong.
        var mayBeAnybody = config.LoopbackWithoutKey && !KeyText.TryReadId(text, out _);
        return mayBeAnybody && Credentials.IsLocal(context.Connection.RemoteIpAddress, context.Request.Headers, context.Request.Host.Host) ? AccessGrant.Loopback : null;
    }

    private static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
