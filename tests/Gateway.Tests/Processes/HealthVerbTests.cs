using System.Globalization;
using System.Text.Json.Nodes;
using FinerCut.Jobs;

namespace FinerCut.Tests.Processes;

/// <summary><c>health</c> as a container's HEALTHCHECK runs it: in the gateway's folder, with its settings.</summary>
public class HealthVerbTests
{
    [Fact]
    public async Task A_gateway_is_asked_at_the_port_of_its_settings()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        var (code, output) = await GatewayProcess.RunToEndAsync(gateway.Folder, "health", "--url", $"http://127.0.0.1:{gateway.Port}");
        Assert.Equal(ExitCode.Success, code);
        Assert.Equal("ok", JsonNode.Parse(output)!["status"]!.GetValue<string>());

        Assert.Equal(ExitCode.BadInput, (await GatewayProcess.RunToEndAsync(gateway.Folder, "health", "--url", "localhost")).Code);

        // The port, and an address that cannot be asked, from the file of the working directory.
        var settings = Path.Combine(gateway.Folder, "appsettings.json");
        var changed = JsonNode.Parse(await File.ReadAllTextAsync(settings))!;
        changed["Listen"] = new JsonObject { ["Address"] = "0.0.0.0", ["Port"] = gateway.Port };
        await File.WriteAllTextAsync(settings, changed.ToJsonString());
        (code, output) = await GatewayProcess.RunToEndAsync(gateway.Folder, "health", "--live");
        Assert.Equal(ExitCode.Success, code);
        Assert.Equal("alive", output.Trim());

        await gateway.StopAsync();
        (code, output) = await GatewayProcess.RunToEndAsync(gateway.Folder, "health", "--live");
        Assert.Equal(ExitCode.Unreachable, code);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{gateway.Port}/livez does not answer"), output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_does_not_come_up_is_not_well_but_alive()
    {
        var gateway = GatewayProcess.Prepare(settings => settings["Worker"]!["Path"] = "/bin/false");
        await using (gateway)
        {
            await gateway.RunAsync(ready: false);
            var url = $"http://127.0.0.1:{gateway.Port}";
            var (code, output) = await GatewayProcess.RunToEndAsync(gateway.Folder, "health", "--url", url);
            Assert.Equal(ExitCode.Failed, code);
            Assert.Contains("\"status\"", output, StringComparison.Ordinal);
            Assert.Equal(ExitCode.Success, (await GatewayProcess.RunToEndAsync(gateway.Folder, "health", "--url", url, "--live")).Code);
        }
    }
}
