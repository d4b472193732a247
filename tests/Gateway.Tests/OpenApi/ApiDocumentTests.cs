using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FinerCut.Gateway;
using FinerCut.Gateway.Access;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.OpenApi;
using FinerCut.Gateway.Storage;
using FinerCut.Tests.Processes;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.OpenApi;

namespace FinerCut.Tests.OpenApi;

public sealed class ApiDocumentTests : IDisposable
{
    private static readonly JsonNode Document = JsonNode.Parse(ApiDocument.Text)!;

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-openapi-").FullName;

    [Fact]
    public async Task Everything_that_is_mapped_is_described_and_nothing_else()
    {
        var settings = new ConfigurationBuilder().AddInMemoryCollection([KeyValuePair.Create("State:Path", (string?)_folder), KeyValuePair.Create("Worker:Path", (string?)GatewayProcess.Worker), KeyValuePair.Create("Models:any:Destinations:one:Url", (string?)"http://127.0.0.1:9")]).Build();
        var config = GatewayConfigReader.Read(settings, _folder);
        using var state = StateFolder.Open(config.StateFolder);
        await using var access = await AccessRuntime.OpenAsync(config, state, TimeProvider.System, TestContext.Current.CancellationToken);
        await using var app = GatewayHost.Build(config, new SettingsOrigin(_folder, [], settings), state, access);
        var mapped = ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
            .SelectMany(endpoint => endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods, (endpoint, method) => $"{method} {endpoint.RoutePattern.RawText}")
            .Where(name => !IsPage(name)).ToHashSet();

        // What the proxy forwards is what the workers answer; they are asked what that is in their own source.
        Assert.True(mapped.Remove("POST /v1/{**rest}"));
        var server = await File.ReadAllTextAsync(Path.Combine(Root(), "src", "Worker", "Serving", "WorkerServer.cs"), TestContext.Current.CancellationToken);
        foreach (Match call in Regex.Matches(server, @"Post\(.*\)")) mapped.UnionWith(Regex.Matches(call.Value, "\"(/v1/[^\"]*)\"").Select(path => "POST " + path.Groups[1].Value));
        Assert.Contains("POST /v1/chat/completions", mapped);
        Assert.Equal(mapped.Order(), Described().Order());
    }

    [Fact]
    public void The_document_is_sound()
    {
        var read = OpenApiDocument.Parse(ApiDocument.Text, "json");
        Assert.Empty(read.Diagnostic!.Errors.Select(error => error.ToString()));
        var dangling = References(Document).Where(reference => At(reference) is null).Distinct();
        Assert.Empty(dangling);
    }

    [Fact]
    public void Every_operation_says_who_may_and_what_is_refused()
    {
        foreach (var (path, item) in Document["paths"]!.AsObject())
        {
            foreach (var (method, operation) in item!.AsObject())
            {
                Assert.True(operation!["security"] is JsonArray && operation["summary"] is not null, $"{method} {path}");
                if (path.StartsWith("/admin", StringComparison.Ordinal)) Assert.NotNull(operation["responses"]!["401"]);
            }
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static bool IsPage(string name) => name.EndsWith(" /", StringComparison.Ordinal) || name.EndsWith(" /admin", StringComparison.Ordinal) || Regex.IsMatch(name, "^[A-Z]+ /(ui/|reference|openapi.json)");

    private static IEnumerable<string> Described() => Document["paths"]!.AsObject().SelectMany(path => path.Value!.AsObject(), (path, operation) => $"{operation.Key.ToUpperInvariant()} {path.Key}");

    private static IEnumerable<string> References(JsonNode? node) => node switch
    {
        JsonObject json => json.SelectMany(member => member.Key == "$ref" ? [member.Value!.GetValue<string>()] : References(member.Value)),
        JsonArray array => array.SelectMany(References),
        _ => [],
    };

    private static JsonNode? At(string reference) => reference.StartsWith("#/", StringComparison.Ordinal) ? reference[2..].Split('/').Aggregate((JsonNode?)Document, (node, part) => node?[part]) : null;

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "FinerCut.Gateway.sln"))) folder = folder.Parent;
        return folder.FullName;
    }
}
