using System.Text.RegularExpressions;
using FinerCut.Gateway;
using FinerCut.Gateway.Access;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Storage;
using FinerCut.Tests.Processes;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Tests.Access;

/// <summary>The scope matrix against the endpoints that the program really has: a new one needs a row here.</summary>
public partial class EndpointScopeTests
{
    private static readonly Dictionary<string, ApiEndpoint> OutsideAdmin = new()
    {
        ["/"] = ApiEndpoint.Public, ["/admin"] = ApiEndpoint.Public, ["/health"] = ApiEndpoint.Public, ["/livez"] = ApiEndpoint.Public, ["/ui/x"] = ApiEndpoint.Public,
        ["/openapi.json"] = ApiEndpoint.Public, ["/reference"] = ApiEndpoint.Public, ["/reference/x"] = ApiEndpoint.Public,
        ["/reference/favicon.svg"] = ApiEndpoint.Public, ["/reference/scalar.js"] = ApiEndpoint.Public, ["/reference/scalar.aspnetcore.js"] = ApiEndpoint.Public,
        ["/v1/models"] = ApiEndpoint.ListModels, ["/v1/models/x"] = ApiEndpoint.ListModels, ["/metrics"] = ApiEndpoint.Metrics,
        // Forwarded; AccessMiddleware lets those of its paths through that the matrix has, and no other.
        ["/v1/x"] = ApiEndpoint.Unknown,
    };

    [Fact]
    public async Task Every_endpoint_of_the_program_asks_for_its_scope()
    {
        await using var prepared = GatewayProcess.Prepare();
        var settings = SettingsSources.Load(prepared.Folder, []);
        var config = GatewayConfigReader.Read(settings, prepared.Folder);
        using var state = StateFolder.Open(config.StateFolder);
        await using var access = await AccessRuntime.OpenAsync(config, state, TimeProvider.System, CancellationToken.None);
        await using var app = GatewayHost.Build(config, new SettingsOrigin(prepared.Folder, [], settings), state, access);
        var paths = ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
            .Select(endpoint => "/" + Parameter().Replace(endpoint.RoutePattern.RawText!.Trim('/'), "x")).Distinct().Order(StringComparer.Ordinal).ToList();
        Assert.All(paths, path =>
        {
            var row = path.StartsWith("/admin/", StringComparison.Ordinal) ? ApiEndpoint.Admin : OutsideAdmin.TryGetValue(path, out var known) ? known : (ApiEndpoint?)null;
            Assert.True(row is not null, $"{path} has no row in this test: say what opens it.");
            Assert.Equal(row, ApiEndpoints.Of(path));
        });
        Assert.Contains("/admin/models/x/recording/export", paths);
        Assert.Contains("/v1/x", paths);
        Assert.True(paths.Count(path => path.StartsWith("/admin/", StringComparison.Ordinal)) >= 20, string.Join('\n', paths));
    }

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Parameter();
}
