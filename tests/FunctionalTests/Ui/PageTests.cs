using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.FunctionalTests.Hosting;

namespace FinerCut.FunctionalTests.Ui;

/// <summary>
/// The chat and the admin page in a real browser (Debian's Chromium, driven by npm/flows.mjs), against the gateway of the collection. Screenshots are
/// left in artifacts/screenshots.
/// </summary>
[Collection(LeanGateway.Collection)]
public class PageTests(LeanGateway lean)
{
    private const string Chromium = "/usr/bin/chromium";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(20);

    [Fact]
    public async Task Every_flow_works_in_a_browser()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        Assert.SkipUnless(File.Exists(Chromium) || Environment.GetEnvironmentVariable("CI") is not null, $"{Chromium} is not installed (Debian's package chromium).");
        if (await lean.ActiveAsync(cancellationToken) != "full") await lean.PromoteAsync("full", cancellationToken);
        await lean.PromoteAsync(lean.Lean, cancellationToken);
        var shots = Path.Combine(Checkout.Root, "artifacts", "screenshots");
        Directory.CreateDirectory(shots);
        await using var browser = ChildProcess.Start("node", [Path.Combine(Checkout.Root, "tests", "FunctionalTests", "Ui", "npm", "flows.mjs")]);
        await browser.SendAsync(JsonSerializer.Serialize(new
        {
            address = lean.Gateway.Address.ToString().TrimEnd('/'),
            adminKey = GatewayProcess.AdminKey,
            model = Checkout.ModelId,
            full = "full",
            lean = lean.Lean,
            job = lean.Job["id"]!.GetValue<string>(),
            shots,
        }));
        try
        {
            Assert.True(await browser.WaitForExitAsync(cancellationToken, Patience) == 0, $"{browser.Output}\n{browser.Errors}");
        }
        finally
        {
            // One flow purged what the collection's other jobs are made of.
            await lean.RecordAsync(cancellationToken);
        }

        var flows = browser.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!).ToArray();
        Assert.Equal(17, flows.Length);
        Assert.All(flows, flow => Assert.True(flow["problem"] is null, $"{flow["flow"]}: {flow["problem"]}\n{lean.Gateway.Process.Errors}"));
    }
}
