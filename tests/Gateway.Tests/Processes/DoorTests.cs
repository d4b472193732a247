using System.Net;
using System.Text;
using System.Text.Json;
using FinerCut.Jobs;

namespace FinerCut.Tests.Processes;

/// <summary>Requests and starts that are refused.</summary>
public class DoorTests
{
    [Fact]
    public async Task Wrong_requests_are_answered_in_the_envelope()
    {
        await using var gateway = await GatewayProcess.StartAsync(settings =>
        {
            settings["Forwarding"] = new System.Text.Json.Nodes.JsonObject { ["MaxBodyBytes"] = 4096 };
            settings["Models"]!["other"] = new System.Text.Json.Nodes.JsonObject { ["Path"] = "tiny.gguf" };
        });
        await CheckAsync(404, "model_not_found", ChatStream.Body("hi", model: "nope"));
        await CheckAsync(400, "missing_model", new StringContent("{}"));
        await CheckAsync(400, "invalid_json", new StringContent("{"));
        await CheckAsync(413, "body_too_large", new StringContent("{\"x\":\"" + new string('x', 5000) + "\"}"));
        await CheckAsync(413, "body_too_large", new StreamContent(new Endless(2_000_000)));
        await CheckAsync(404, "unknown_url", ChatStream.Body("hi"), "/v2/chat/completions");

        // Nor does anything go on that has no row in the scope matrix, whatever a server behind would make of it.
        foreach (var path in (string[])["/v1/audio/speech", "/v1/chat/completions/x", "/v1", "/v1/fine_tuning/jobs"]) await CheckAsync(404, "unknown_url", ChatStream.Body("hi"), path);
        Assert.DoesNotContain("status=\"404\"", await gateway.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await gateway.Client.GetAsync("/v1/chat/completions")).StatusCode);
        var models = JsonElement.Parse(await gateway.Client.GetStringAsync("/v1/models"));
        Assert.Equal(["other", "tiny"], models.GetProperty("data").EnumerateArray().Select(model => model.GetProperty("id").GetString()).Order());
        Assert.Equal(HttpStatusCode.NotFound, (await gateway.Client.GetAsync("/v1/models/nope")).StatusCode);

        // A worker's own error passes untouched.
        gateway.Script("""{"chatStatus":418}""");
        await CheckAsync(418, "fake", ChatStream.Body("hi"));

        // A second gateway on the same port, and one on the same state.
        var (code, output) = await GatewayProcess.RunToEndAsync(gateway.Folder, "--Listen:Port", $"{gateway.Port}", "--State:Path", "state2");
        Assert.Equal(ExitCode.AddressInUse, code);
        Assert.Contains("--Listen:Port", output, StringComparison.Ordinal);
        (code, output) = await GatewayProcess.RunToEndAsync(gateway.Folder);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("in use by another gateway", output, StringComparison.Ordinal);

        async Task CheckAsync(int status, string expected, HttpContent body, string path = "/v1/chat/completions")
        {
            using var response = await gateway.Client.PostAsync(path, body);
            var text = await response.Content.ReadAsStringAsync();
            Assert.Equal((status, expected), ((int)response.StatusCode, ChatStream.Code(JsonElement.Parse(text))));
        }
    }

    [Fact]
    public async Task Wrong_settings_end_the_start_with_all_that_is_wrong()
    {
        await using var gateway = GatewayProcess.Prepare(settings => settings["Models"]![GatewayProcess.Model]!["Contxt"] = 5);
        await File.WriteAllTextAsync(Path.Combine(gateway.Folder, "cut.gguf"), "GGUF");
        var (code, output) = await GatewayProcess.RunToEndAsync(gateway.Folder, "--Listen:Port=99999", "--Models:other:Path", "none.gguf");
        Assert.Equal(ExitCode.BadInput, code);
        foreach (var part in (string[])["Models:tiny:Contxt", "Listen:Port = \"99999\"", "Models:other:Path = \"none.gguf\""]) Assert.Contains(part, output, StringComparison.Ordinal);

        await using var fine = GatewayProcess.Prepare();
        (code, output) = await GatewayProcess.RunToEndAsync(fine.Folder, "--Models:tiny:Path", Path.Combine(gateway.Folder, "cut.gguf"));
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("cut.gguf", output, StringComparison.Ordinal);
        (code, output) = await GatewayProcess.RunToEndAsync(fine.Folder, "--Models:tiny:Sha256", new string('0', 64));
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("another file, or it was damaged", output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.BadInput, (await GatewayProcess.RunToEndAsync(fine.Folder, "sevre")).Code);
        await File.WriteAllTextAsync(Path.Combine(fine.Folder, "appsettings.json"), "{ \"Listen\": ");
        Assert.Equal(ExitCode.BadInput, (await GatewayProcess.RunToEndAsync(fine.Folder)).Code);
    }

    [Fact]
    public async Task Logs_can_be_objects_and_hold_no_prompt()
    {
        await using var gateway = GatewayProcess.Prepare();
        await gateway.RunAsync(arguments: ["--Logging:Console:FormatterName", "json"]);
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "Zanzibar tokens=2")).Problem);
        Assert.Equal("worker_died", (await ChatStream.RunAsync(gateway.Client, "Zanzibar tokens=30 delay=5 die=20")).Error);
        var logged = gateway.Log.Split('\n').Where(line => line.StartsWith('{') && !line.Contains("curl", StringComparison.Ordinal)).Select(line => JsonElement.Parse(line)).ToList();
        Assert.Contains(logged, line => line.GetProperty("Category").GetString() == "Worker.tiny/full" && line.GetProperty("Message").GetString()!.Length > 0);
        Assert.DoesNotContain("Zanzibar", gateway.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_workers_verbs_pass_through()
    {
        await using var gateway = GatewayProcess.Prepare();
        var (code, output) = await GatewayProcess.RunToEndAsync(gateway.Folder, "gguf", "show", "a b", "--exit", "5");
        Assert.Equal((5, "gguf show a b --exit 5\n"), (code, output));
    }

    private sealed class Endless(int length) : MemoryStream(Encoding.ASCII.GetBytes("{\"x\":\"" + new string('x', length)))
    {
        public override bool CanSeek => false;
    }
}
