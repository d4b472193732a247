using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FinerCut.FunctionalTests.Hosting;

namespace FinerCut.FunctionalTests.OpenApi;

/// <summary>The requests of samples/*.http are requests that the reference knows, with bodies that it takes; those that only look are sent.</summary>
[Collection(LeanGateway.Collection)]
public partial class HttpFileTests(LeanGateway lean)
{
    [Fact]
    public async Task Every_request_is_one_that_the_gateway_takes()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var document = JsonNode.Parse(await lean.Gateway.Http.GetStringAsync(new Uri("/openapi.json", UriKind.Relative), cancellationToken))!;
        var requests = Directory.EnumerateFiles(Path.Combine(Checkout.Root, "samples"), "*.http").SelectMany(file => Head().Split(File.ReadAllText(file)).Skip(1)).Where(text => !text.StartsWith('@')).ToArray();
        Assert.True(requests.Length > 20, $"only {requests.Length} requests were found");
        foreach (var text in requests.Select(text => text.Replace("{{host}}", "", StringComparison.Ordinal).Replace("{{model}}", Checkout.ModelId, StringComparison.Ordinal)))
        {
            var (head, body) = text.Split("\n\n", 2) is [var first, var rest] ? (first, rest.Trim()) : (text, "");
            var (method, path) = head.Trim().Split('\n')[0].Split(' ') is [var verb, var address] ? (verb, address) : (head, "");
            if (path == "/openapi.json") continue;
            var operation = document["paths"]!.AsObject().Where(known => Matches(known.Key, path)).Select(known => known.Value![method.ToLowerInvariant()]).FirstOrDefault(known => known is not null);
            Assert.True(operation is not null, $"{method} {path} is not in the reference");
            if (operation["requestBody"]?["content"]?["application/json"]?["schema"] is { } schema) Described.By(document, schema, JsonNode.Parse(body), $"{method} {path}");
            if (method != "GET" || path.EndsWith("/events", StringComparison.Ordinal) || path.EndsWith("/trial", StringComparison.Ordinal)) continue;
            using var response = await lean.Gateway.Admin.GetAsync(new Uri(path, UriKind.Relative), cancellationToken);
            Assert.True(response.IsSuccessStatusCode, $"{method} {path}: {(int)response.StatusCode}");
        }
    }

    private static bool Matches(string template, string path) => Regex.IsMatch(path, "^" + Regex.Replace(Regex.Escape(template), @"\\\{[^}]*}", "[^/]+") + "$");

    [GeneratedRegex(@"^###.*\n", RegexOptions.Multiline)]
    private static partial Regex Head();
}
