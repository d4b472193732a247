using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Deploy;

/// <summary>build/sbom.mjs on the program that was built with these tests, against CycloneDX's own schema.</summary>
public sealed class BillOfMaterialsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-sbom-").FullName;

    [Fact]
    public async Task It_keeps_to_the_schema_and_names_what_ships()
    {
        var bill = await NodeAsync(Checkout.In("build/sbom.mjs"), Checkout.App);
        Assert.Equal(bill, await NodeAsync(Checkout.In("build/sbom.mjs"), Checkout.App));
        Assert.Empty(await FaultsAsync(bill));
        var components = JsonNode.Parse(bill)!["components"]!.AsArray();
        string?[] names = [.. components.Select(component => (string?)component!["name"])];
        foreach (var shipped in (string[])["Yarp.ReverseProxy", "Jint", "preact", "uplot", "@huggingface/jinja", "SmolLM2-135M-Instruct.Q4_1.gguf"]) Assert.Contains(shipped, names);
        Assert.Contains(names, name => name!.StartsWith("@node-llama-cpp/", StringComparison.Ordinal));
        Assert.All(components, component => Assert.True(component!["hashes"]?[0]?["content"] is not null, $"{component["name"]} has no hash"));
        Assert.DoesNotContain(names, name => name!.Contains("Analyzers", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_bill_that_breaks_the_schema_is_found()
    {
        var bill = await NodeAsync(Checkout.In("build/sbom.mjs"), Checkout.App);
        Assert.NotEmpty(await FaultsAsync(bill.Replace("\"library\"", "\"libary\"", StringComparison.Ordinal)));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task<string[]> FaultsAsync(string bill)
    {
        var file = Path.Combine(_folder, "sbom.json");
        await File.WriteAllTextAsync(file, bill);
        return JsonSerializer.Deserialize<string[]>(await NodeAsync(Checkout.In("tests/Deploy.Tests/npm/check-sbom.mjs"), file))!;
    }

    private static async Task<string> NodeAsync(params string[] arguments)
    {
        using var node = Process.Start(new ProcessStartInfo("node", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = node.StandardError.ReadToEndAsync();
        var output = await node.StandardOutput.ReadToEndAsync().WaitAsync(TimeSpan.FromMinutes(1));
        await node.WaitForExitAsync();
        Assert.True(node.ExitCode == 0, await errors);
        return output;
    }
}
