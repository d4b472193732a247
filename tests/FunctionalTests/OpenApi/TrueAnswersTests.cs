using System.Net.Http.Json;
using System.Text.Json.Nodes;
using FinerCut.FunctionalTests.Hosting;

namespace FinerCut.FunctionalTests.OpenApi;

/// <summary>What the real gateway answers is what /openapi.json says: no member that is not described, none of another type, and refusals in the envelope.</summary>
[Collection(LeanGateway.Collection)]
public class TrueAnswersTests(LeanGateway lean)
{
    [Fact]
    public async Task Answers_are_as_described()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var document = await Document(cancellationToken);
        var names = new Dictionary<string, string> { ["{model}"] = Checkout.ModelId, ["{version}"] = "full", ["{id}"] = lean.Job["id"]!.GetValue<string>() };
        var asked = 0;
        foreach (var (path, item) in document["paths"]!.AsObject())
        {
            // Those that stream have no one answer; a trial is not running; keys are made below.
            if (item!["get"] is not { } get || get["responses"]!["200"]!["content"]!["application/json"]?["schema"] is not { } schema || path.EndsWith("/trial", StringComparison.Ordinal) || path == "/admin/keys/{id}") continue;
            var address = names.Aggregate(path, (text, name) => text.Replace(name.Key, name.Value, StringComparison.Ordinal));
            Described.By(document, schema, await lean.Gateway.AdminGetAsync(address, cancellationToken), path);
            asked++;
        }

        Assert.True(asked >= 12, $"only {asked} answers were looked at");
    }

    [Fact]
    public async Task Answers_of_models_are_as_described()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var document = await Document(cancellationToken);
        var bodies = new Dictionary<string, JsonObject>
        {
            ["/v1/chat/completions"] = GatewayProcess.ChatBody("Hello", 4, stream: false),
            ["/v1/chat/completions/input_tokens"] = GatewayProcess.ChatBody("Hello", 4, stream: false),
            ["/v1/completions"] = new JsonObject { ["prompt"] = "One, two,", ["max_tokens"] = 4, ["logprobs"] = 2 },
            ["/v1/responses"] = new JsonObject { ["input"] = "Hello", ["max_output_tokens"] = 4 },
            ["/v1/messages"] = new JsonObject { ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "Hello" }), ["max_tokens"] = 4 },
            ["/v1/messages/count_tokens"] = new JsonObject { ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "Hello" }) },
        };
        foreach (var (path, body) in bodies)
        {
            var operation = document["paths"]![path]!["post"]!;
            Described.By(document, operation["requestBody"]!["content"]!["application/json"]!["schema"]!, JsonNode.Parse(body.ToJsonString()), "body of " + path);
            using var response = await lean.Gateway.Http.PostAsJsonAsync(path, body, cancellationToken);
            var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellationToken))!;
            Assert.True(response.IsSuccessStatusCode, answer.ToJsonString());
            Described.By(document, operation["responses"]!["200"]!["content"]!["application/json"]!["schema"]!, answer, path);
        }
    }

    [Fact]
    public async Task What_is_forwarded_and_refused_is_refused_as_described()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var document = await Document(cancellationToken);
        foreach (var (path, item) in document["paths"]!.AsObject().Where(path => path.Key.StartsWith("/v1/", StringComparison.Ordinal) && path.Value!["post"] is not null))
        {
            using var response = await lean.Gateway.Http.PostAsJsonAsync(path, new JsonObject { ["no_such_member"] = 1 }, cancellationToken);
            var status = ((int)response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture);
            var text = await response.Content.ReadAsStringAsync(cancellationToken);
            Assert.True(status is "400" or "501" && item!["post"]!["responses"]![status] is not null, $"{path}: {status} {text}");
            Assert.NotNull(JsonNode.Parse(text)!["error"]!["message"]);
        }
    }

    private async Task<JsonNode> Document(CancellationToken cancellationToken) =>
        JsonNode.Parse(await lean.Gateway.Http.GetStringAsync(new Uri("/openapi.json", UriKind.Relative), cancellationToken))!;
}

/// <summary>Holds values against schemas of the document, as far as it uses them. Stricter than JSON schema: a member that no schema names is a fault.</summary>
internal static class Described
{
    public static void By(JsonNode document, JsonNode schema, JsonNode? value, string path)
    {
        if ((string?)schema["$ref"] is { } reference)
        {
            By(document, reference[2..].Split('/').Aggregate(document, (node, part) => node[part]!), value, path);
            return;
        }

        if (schema["enum"] is JsonArray words) Assert.True(words.Any(word => JsonNode.DeepEquals(word, value)), $"{path}: {value?.ToJsonString()} is none of {words.ToJsonString()}");
        if (schema["const"] is { } only) Assert.True(JsonNode.DeepEquals(only, value), $"{path}: {value?.ToJsonString()} is not {only.ToJsonString()}");
        if (schema["type"] is { } types)
        {
            var kind = Kind(value);
            string[] allowed = types is JsonArray several ? [.. several.Select(type => type!.GetValue<string>())] : [types.GetValue<string>()];
            Assert.True(allowed.Contains(kind) || (kind == "integer" && allowed.Contains("number")), $"{path}: {kind} where {string.Join(" or ", allowed)} is described");
        }

        if (value is JsonArray array && schema["items"] is { } items)
        {
            for (var at = 0; at < array.Count; at++) By(document, items, array[at], $"{path}[{at}]");
        }

        var (properties, others) = (schema["properties"], schema["additionalProperties"]);
        if (value is not JsonObject json || (properties is null && others is not JsonObject)) return;
        foreach (var name in schema["required"]?.AsArray().Select(name => name!.GetValue<string>()) ?? []) Assert.True(json.ContainsKey(name), $"{path}.{name} is not there");
        foreach (var (name, member) in json)
        {
            if ((properties?[name] ?? others as JsonObject) is { } described) By(document, described, member, $"{path}.{name}");
            else Assert.Fail($"{path}.{name} is not described");
        }
    }

    private static string Kind(JsonNode? value) => value?.GetValueKind() switch
    {
        null or System.Text.Json.JsonValueKind.Null => "null",
        System.Text.Json.JsonValueKind.String => "string",
        System.Text.Json.JsonValueKind.Number => value.GetValue<System.Text.Json.JsonElement>().TryGetInt64(out _) ? "integer" : "number",
        System.Text.Json.JsonValueKind.True or System.Text.Json.JsonValueKind.False => "boolean",
        System.Text.Json.JsonValueKind.Array => "array",
        _ => "object",
    };
}
