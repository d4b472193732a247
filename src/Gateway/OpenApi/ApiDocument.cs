using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FinerCut.Gateway.OpenApi;

/// <summary>
/// The OpenAPI 3.1 document of everything that is mapped: the admin endpoints from their types, the forwarded ones from v1.json, which says what the
/// workers take and answer. Made once; holds no data.
/// </summary>
internal static class ApiDocument
{
    private static readonly JsonSerializerOptions Written = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly (int Status, string Description)[] Refusals =
    [
        (400, "The body, a parameter or the model's name is wrong; the message names all faults."),
        (401, "No key, or one that is unknown, expired or disabled."),
        (403, "The key lacks the scope, or may not use this model."),
        (404, "There is no such thing; also /admin for those to whom it is hidden (Admin:LoopbackOnly)."),
        (409, "That has no meaning in the state that things are in."),
        (413, "The body is too large (Forwarding:MaxBodyBytes)."),
        (429, "A limit of the key is met, or the queue is full; Retry-After says when to come again."),
        (500, "A defect of ours."),
        (501, "Not served here."),
        (502, "The worker died or could not be reached, after all attempts."),
        (503, "Loading, down, busy or out of memory; Retry-After says when to come again."),
        (504, "The worker did not begin, or fell silent."),
    ];

    /// <summary>In the order of reading.</summary>
    private static readonly string[] Tags = ["OpenAI", "Anthropic", "Models and versions", "Prune jobs", "Recording", "Keys", "State"];

    private static readonly Lazy<string> Made = new(() => Build().ToJsonString(Written));

    public static string Text => Made.Value;

    private static JsonObject Build()
    {
        var (schemas, served) = (new ApiSchemas(), Served());
        var paths = served["paths"]!.DeepClone().AsObject();
        foreach (var (path, item) in paths)
        {
            foreach (var (_, operation) in item!.AsObject()) operation!["security"] = path is "/health" or "/livez" ? new JsonArray() : Anyone();
        }

        foreach (var operation in AdminOperations.All)
        {
            if (paths[operation.Path] is null) paths[operation.Path] = new JsonObject();
            var json = (operation with { Errors = operation.Errors.Contains(404) ? [401, .. operation.Errors] : [401, 404, .. operation.Errors] }).ToJson(schemas);
            json["security"] = new JsonArray(new JsonObject { ["admin_key"] = new JsonArray() });
            paths[operation.Path]![operation.Method.ToLowerInvariant()] = json;
        }

        var components = schemas.Components.ToDictionary(component => component.Key, component => component.Value?.DeepClone());
        foreach (var (name, schema) in served["schemas"]!.AsObject()) components[name] = schema!.DeepClone();
        return new JsonObject
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject
            {
                ["title"] = "FinerCut.Gateway", ["version"] = typeof(ApiDocument).Assembly.GetName().Version!.ToString(3), ["license"] = new JsonObject { ["name"] = "Apache-2.0", ["identifier"] = "Apache-2.0" },
                ["description"] = "Serves GGUF models over OpenAI-compatible endpoints and makes them leaner on their own traffic.",
            },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "/" }),
            ["tags"] = new JsonArray([.. Tags.Select(tag => new JsonObject { ["name"] = tag })]),
            ["paths"] = new JsonObject(paths.OrderBy(path => path.Key, StringComparer.Ordinal).Select(path => KeyValuePair.Create(path.Key, path.Value?.DeepClone()))),
            ["components"] = new JsonObject
            {
                ["schemas"] = new JsonObject(components.OrderBy(component => component.Key, StringComparer.Ordinal).Select(component => KeyValuePair.Create(component.Key, component.Value))),
                ["responses"] = new JsonObject(Refusals.Select(refusal => KeyValuePair.Create(refusal.Status.ToString(CultureInfo.InvariantCulture), (JsonNode?)Refusal(refusal.Description)))),
                ["securitySchemes"] = new JsonObject
                {
                    ["client_key"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer", ["description"] = "A client key (docs/access.md). Not asked for from this machine where Access:LoopbackWithoutKey is true." },
                    ["client_key_header"] = new JsonObject { ["type"] = "apiKey", ["in"] = "header", ["name"] = "x-api-key" },
                    ["admin_key"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer", ["description"] = "The admin key (state/admin.key, or Admin:Key), or a client key with the scope admin." },
                },
            },
        };
    }

    private static JsonArray Anyone() => [new JsonObject { ["client_key"] = new JsonArray() }, new JsonObject { ["client_key_header"] = new JsonArray() }, new JsonObject()];

    private static JsonObject Refusal(string description) => new()
    {
        ["description"] = description,
        ["content"] = new JsonObject { ["application/json"] = new JsonObject { ["schema"] = new JsonObject { ["$ref"] = "#/components/schemas/Error" } } },
    };

    private static JsonNode Served()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("openapi.v1.json")!;
        return JsonNode.Parse(stream)!;
    }
}
