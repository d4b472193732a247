using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Processes;

public class ReloadTests
{
    [Fact]
    public async Task Settings_are_read_again_while_requests_run_and_wrong_ones_change_nothing()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        var file = Path.Combine(gateway.Folder, "appsettings.json");
        var settings = (JsonObject)JsonNode.Parse(await File.ReadAllTextAsync(file))!;
        var running = ChatStream.RunAsync(gateway.Client, "tokens=100 delay=20");
        var large = new string('x', 3000);
        Assert.Null((await ChatStream.RunAsync(gateway.Client, large + " tokens=2")).Problem);

        settings["Forwarding"] = new JsonObject { ["MaxBodyBytes"] = 2048 };
        settings["Listen"]!["Address"] = "127.0.0.2";
        await File.WriteAllTextAsync(file, settings.ToJsonString());
        await Eventually.BeAsync(async () => (await gateway.GetAsync("/admin/config")).GetProperty("number").GetInt32() == 2, () => gateway.Log);
        var status = await gateway.GetAsync("/admin/config");
        Assert.Equal("Listen:Address", Assert.Single(status.GetProperty("pending").EnumerateArray()).GetString());
        Assert.Equal("Forwarding:MaxBodyBytes", status.GetProperty("changes")[0].GetProperty("path").GetString());
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await ChatStream.RunAsync(gateway.Client, large)).Status);

        // Wrong: all errors are told, the last good settings hold.
        settings["Forwarding"]!["MaxBodyBytes"] = 10;
        settings["Forwardng"] = new JsonObject();
        settings["Models"]![GatewayProcess.Model]!["Parralel"] = 3;
        await File.WriteAllTextAsync(file, settings.ToJsonString());
        var (code, answer) = await gateway.SendAsync(HttpMethod.Post, "/admin/config/reload");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, code);
        Assert.Equal((2, 3), (answer.GetProperty("number").GetInt32(), answer.GetProperty("errors").GetArrayLength() + (answer.GetRawText().Contains("Forwardng", StringComparison.Ordinal) ? 0 : 1)));
        await File.WriteAllTextAsync(file, "{ broken");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await gateway.SendAsync(HttpMethod.Post, "/admin/config/reload")).Status);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await ChatStream.RunAsync(gateway.Client, large)).Status);
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=2")).Problem);

        settings.Remove("Forwardng");
        settings.Remove("Forwarding");
        settings["Models"]![GatewayProcess.Model]!.AsObject().Remove("Parralel");
        await File.WriteAllTextAsync(file, settings.ToJsonString());
        Assert.Equal(HttpStatusCode.OK, (await gateway.SendAsync(HttpMethod.Post, "/admin/config/reload")).Status);
        Assert.Null((await ChatStream.RunAsync(gateway.Client, large + " tokens=2")).Problem);
        Assert.Null((await running).Problem);
        Assert.Equal(JsonValueKind.Object, (await gateway.GetAsync("/admin/config/schema")).GetProperty("properties").GetProperty("Listen").ValueKind);
    }
}
