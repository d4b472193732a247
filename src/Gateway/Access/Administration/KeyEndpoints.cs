using System.Text.Json;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Quotas;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.OpenAi;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Access.Administration;

/// <summary>/admin/keys: create (the key is shown once), list, look at, change, delete.</summary>
internal static class KeyEndpoints
{
    public static void MapKeyAdmin(this IEndpointRouteBuilder admin, KeyRing keys, IQuotaLedger ledger, TimeProvider clock, ILogger<KeyRing> logger)
    {
        admin.MapGet("/keys", () => AdminAnswers.Ok(new { keys = keys.All.OrderBy(key => key.CreatedAt).Select(KeyView.Of) }));

        admin.MapPost("/keys", (HttpContext context, CancellationToken aborted) => AdminAnswers.WithBodyAsync(context, Read, async body =>
        {
            var (_, errors) = KeyFields.Apply(body.RootElement, Blank("", "", clock.GetUtcNow()), clock.GetUtcNow());
            if (errors.Count > 0) return Invalid(errors);
            var created = await keys.CreateAsync((id, hash, now) => KeyFields.Apply(body.RootElement, Blank(id, hash, now), now).Key!, aborted);
            logger.LogInformation("Key {Id} was created.", created.Key.Id);
            context.Response.Headers.Location = "/admin/keys/" + created.Key.Id;
            context.Response.Headers.CacheControl = "no-store";
            return AdminAnswers.Ok(KeyView.Of(created.Key) with { Key = created.Text }, StatusCodes.Status201Created);
        }));

        admin.MapGet("/keys/{id}", async (string id, HttpContext context) =>
        {
            if (keys.Get(id) is not { } key) return NoKey();
            return AdminAnswers.Ok(KeyView.Of(key) with { Usage = KeyUsage.Of(await ledger.ReadAsync(id, context.RequestAborted), clock.GetUtcNow()) });
        });

        admin.MapPatch("/keys/{id}", (string id, HttpContext context) => AdminAnswers.WithBodyAsync(context, Read, async body =>
        {
            IReadOnlyList<string> errors = [];
            var changed = await keys.ChangeAsync(id, key =>
            {
                (var next, errors) = KeyFields.Apply(body.RootElement, key, clock.GetUtcNow());
                return next ?? key;
            }, context.RequestAborted);
            if (changed is null) return NoKey();
            if (errors.Count > 0) return Invalid(errors);
            logger.LogInformation("Key {Id} was changed.", id);
            return AdminAnswers.Ok(KeyView.Of(changed));
        }));

        admin.MapDelete("/keys/{id}", async (string id, HttpContext context) =>
        {
            if (!await keys.DeleteAsync(id, context.RequestAborted)) return NoKey();
            logger.LogInformation("Key {Id} was deleted.", id);
            return Results.NoContent();
        });
    }

    /// <summary>What a key is where its creation says nothing: all inference on all models, without limits.</summary>
    public static AccessKey Blank(string id, string hash, DateTimeOffset now) => new()
    {
        Id = id,
        Name = "",
        Hash = hash,
        CreatedAt = now,
        Scopes = new KeyScopes(Grants.Inference, ["*"]),
    };

    private static IResult NoKey() => AdminAnswers.Fail(ApiError.NotFound("There is no such key; GET /admin/keys lists them.", "key_not_found"));

    private static IResult Invalid(IReadOnlyList<string> errors) => AdminAnswers.Fail(ApiError.Invalid(string.Join("; ", errors) + ".", "invalid_key"));

    private static (JsonDocument? Body, ApiError? Error) Read(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            // Copied: the bytes are lent for the length of this call.
            return (JsonDocument.Parse(bytes.ToArray()), null);
        }
        catch (JsonException exception)
        {
            return (null, ApiError.Invalid($"The body is not valid JSON (line {exception.LineNumber + 1}).", "invalid_json"));
        }
    }
}
