using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace FinerCut.Gateway.OpenApi;

/// <summary>One method of one path as the API reference describes it.</summary>
/// <param name="Path">As routing knows it, such as /admin/jobs/{id}; what stands in braces becomes a parameter.</param>
internal sealed record ApiOperation(string Method, string Path, string Tag, string Summary)
{
    public Type? Body { get; init; }

    public Type? Answer { get; init; }

    public int Status { get; init; } = 200;

    /// <summary>Of the answer.</summary>
    public string ContentType { get; init; } = "application/json";

    public ImmutableArray<(string Name, string Description)> Query { get; init; } = [];

    /// <summary>Statuses of refusals, each in the one envelope.</summary>
    public ImmutableArray<int> Errors { get; init; } = [];

    public JsonObject ToJson(ApiSchemas schemas)
    {
        var json = new JsonObject { ["tags"] = new JsonArray(Tag), ["summary"] = Summary };
        var parameters = new JsonArray();
        foreach (var name in Path.Split('/').Where(part => part.StartsWith('{'))) parameters.Add(Parameter(name.Trim('{', '}'), "path", null));
        foreach (var (name, description) in Query) parameters.Add(Parameter(name, "query", description));
        if (parameters.Count > 0) json["parameters"] = parameters;
        if (Body is not null) json["requestBody"] = new JsonObject { ["required"] = true, ["content"] = Content("application/json", schemas.Reference(Body)) };
        var success = new JsonObject { ["description"] = Status == 204 ? "Done; nothing to tell." : "Done." };
        if (Answer is not null || ContentType != "application/json") success["content"] = Content(ContentType, Answer is null ? new JsonObject { ["type"] = "string" } : schemas.Reference(Answer));
        var responses = new JsonObject { [Text(Status)] = success };
        foreach (var status in Errors) responses[Text(status)] = new JsonObject { ["$ref"] = "#/components/responses/" + Text(status) };
        json["responses"] = responses;
        return json;
    }

    private static JsonObject Parameter(string name, string place, string? description)
    {
        var parameter = new JsonObject { ["name"] = name, ["in"] = place, ["required"] = place == "path", ["schema"] = new JsonObject { ["type"] = "string" } };
        if (description is not null) parameter["description"] = description;
        return parameter;
    }

    private static JsonObject Content(string type, JsonNode schema) => new() { [type] = new JsonObject { ["schema"] = schema } };

    private static string Text(int status) => status.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
