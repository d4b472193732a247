using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Processes;

/// <summary>Canary and shadow over real processes.</summary>
public class TrialTests
{
    private const string Models = "/admin/models/" + GatewayProcess.Model;

    [Fact]
    public async Task A_good_canary_is_promoted_by_its_evidence_and_conversations_stay_on_their_version()
    {
        await using var gateway = await StartAsync(new JsonObject { ["CanaryWeight"] = 0.5, ["MinRequests"] = 20, ["MaxErrorRateIncrease"] = 0.3, ["MaxSlowShareIncrease"] = 1, ["MaxLatencyRatio"] = 100 });
        var versions = new Dictionary<int, string>();
        var answered = 0;
        await Eventually.BeAsync(async () =>
        {
            var seen = await Task.WhenAll(Enumerable.Range(0, 16).Select(async i => (Number: i, Stream: await ChatStream.RunAsync(gateway.Client, $"conversation {i} tokens=2"))));
            answered += seen.Length;
            Assert.All(seen, one => Assert.Null(one.Stream.Problem));
            var model = await gateway.GetAsync(Models);
            if (model.GetProperty("active").GetString() == "lean-1") return true;
            foreach (var (number, stream) in seen)
            {
                Assert.True(!versions.TryGetValue(number, out var before) || before == stream.Versions[0] || stream.Versions[0] == "lean-1", "a conversation changed its version");
                versions[number] = stream.Versions[0];
            }

            return false;
        }, () => gateway.Log);
        Assert.Equal(2, versions.Values.Distinct().Count());
        // How many there were depends on how the conversations were dealt; MinRequests of them were the canary's.
        Assert.True(answered > 20);
        var history = await gateway.GetAsync(Models + "/versions/lean-1");
        var events = history.GetProperty("history").EnumerateArray().Select(row => row.GetProperty("event").GetString()).ToArray();
        Assert.Equal(["Registered", "StageAsked", "ProbePassed", "CanaryBegun", "Promoted"], events);
        Assert.Contains("The canary is not worse", history.GetProperty("history")[4].GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await gateway.SendAsync(HttpMethod.Get, Models + "/trial")).Status);
    }

    [Theory]
    [InlineData("""{"chatStatus":500,"versions":["lean-1"]}""", "fails more often")]
    [InlineData("""{"firstDelayMs":150,"versions":["lean-1"]}""", "is slow more often")]
    public async Task A_bad_canary_is_rolled_back_and_costs_no_client_an_answer(string script, string why)
    {
        await using var gateway = await StartAsync(new JsonObject { ["CanaryWeight"] = 0.5, ["MaxLatencyRatio"] = 4 });
        gateway.Script(script);
        var number = 0;
        await Eventually.BeAsync(async () =>
        {
            var seen = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ChatStream.RunAsync(gateway.Client, $"conversation {Interlocked.Increment(ref number)} tokens=2")));
            Assert.All(seen, stream => Assert.Null(stream.Problem));
            return await StateAsync(gateway) is "rolling_back" or "rolled_back";
        }, () => gateway.Log);
        await Eventually.BeAsync(async () => await StateAsync(gateway) == "rolled_back" && (await gateway.WorkersAsync()).Count == 1, () => gateway.Log);
        var history = (await gateway.GetAsync(Models + "/versions/lean-1")).GetProperty("history");
        Assert.Contains(history.EnumerateArray(), row => row.GetProperty("event").GetString() == "RolledBack" && row.GetProperty("reason").GetString()!.Contains(why, StringComparison.Ordinal));
        Assert.Equal("full", (await gateway.GetAsync(Models)).GetProperty("active").GetString());
    }

    [Fact]
    public async Task Shadowed_requests_are_counted_compared_and_lead_to_a_canary_that_hands_can_hold_weigh_and_promote()
    {
        await using var gateway = await StartAsync(new JsonObject { ["CanaryWeight"] = 0, ["ShadowShare"] = 0.5, ["ShadowSamples"] = 5, ["MinRequests"] = 1000 });
        Assert.Equal("shadowing", await StateAsync(gateway));

        // Copies are nobody's: a key pays for its own six requests of three and three tokens.
        var (_, key) = await gateway.SendAsync(HttpMethod.Post, "/admin/keys", """{"name":"counted","limits":{"tokens_per_day":100000}}""");
        var sent = 0;
        for (; sent < 6; sent++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = ChatStream.Body($"conversation {sent} tokens=3") };
            request.Headers.Authorization = new System.Net.Http.Headers.AuthenticationHeaderValue("Bearer", key.GetProperty("key").GetString());
            using var answer = await gateway.Client.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        await Eventually.BeAsync(async () =>
        {
            var stream = await ChatStream.RunAsync(gateway.Client, $"conversation {sent++} tokens=3");
            Assert.Null(stream.Problem);
            Assert.Equal("full", stream.Versions[0]);
            return await StateAsync(gateway) == "canary";
        }, () => gateway.Log);
        Assert.True(sent >= 10, $"{sent} sent");
        var usage = (await gateway.GetAsync($"/admin/keys/{key.GetProperty("id").GetString()}")).GetProperty("usage");
        Assert.Equal((36, 6), (usage.GetProperty("tokens_today").GetInt32(), usage.GetProperty("requests_this_minute").GetInt32()));
        var metrics = await gateway.Client.GetStringAsync("/metrics");
        Assert.Contains("finercut_shadow_requests_total{model=\"tiny\",version=\"lean-1\",outcome=\"compared\"}", metrics, StringComparison.Ordinal);
        var history = (await gateway.GetAsync(Models + "/versions/lean-1")).GetProperty("history");
        // The fake's words are version and number: of each pair of answers, the numbers agree.
        Assert.Contains("5 shadowed answers were compared: agreement 0.5 ", history.EnumerateArray().Last().GetProperty("reason").GetString(), StringComparison.Ordinal);

        Assert.Equal(0, await WeightAsync(gateway));
        Assert.Equal("full", (await ChatStream.RunAsync(gateway.Client, "tokens=1")).Versions[0]);
        Assert.Equal(HttpStatusCode.OK, (await gateway.SendAsync(HttpMethod.Post, Models + "/canary", """{"version":"lean-1","weight":1}""")).Status);
        Assert.Equal("lean-1", (await ChatStream.RunAsync(gateway.Client, "tokens=1")).Versions[0]);
        Assert.Equal(HttpStatusCode.BadRequest, (await gateway.SendAsync(HttpMethod.Post, Models + "/canary", """{"version":"lean-1","weight":2}""")).Status);
        Assert.Equal(HttpStatusCode.OK, (await gateway.SendAsync(HttpMethod.Post, Models + "/hold")).Status);
        Assert.Equal("held", await StateAsync(gateway));
        Assert.Equal(HttpStatusCode.Conflict, (await gateway.SendAsync(HttpMethod.Post, Models + "/hold")).Status);

        // Killed and back: still on trial, with its weight.
        gateway.Kill();
        await gateway.RunAsync();
        Assert.Equal("held", await StateAsync(gateway));
        Assert.Equal(1, await WeightAsync(gateway));
        await Eventually.BeAsync(async () => (await ChatStream.RunAsync(gateway.Client, "tokens=1")).Versions[0] == "lean-1", () => gateway.Log);
        Assert.Equal(HttpStatusCode.OK, (await gateway.SendAsync(HttpMethod.Post, Models + "/resume")).Status);
        Assert.Equal(HttpStatusCode.OK, (await gateway.PromoteAsync("lean-1")).Status);
        Assert.Equal("active", await StateAsync(gateway));
        Assert.Equal(HttpStatusCode.OK, (await gateway.SendAsync(HttpMethod.Post, Models + "/rollback")).Status);
        Assert.Equal("full", (await gateway.GetAsync(Models)).GetProperty("active").GetString());
    }

    [Fact]
    public async Task A_version_whose_answers_diverge_is_left_before_a_client_gets_one()
    {
        await using var gateway = await StartAsync(new JsonObject { ["ShadowShare"] = 1, ["ShadowSamples"] = 1000, ["MinAgreement"] = 0.9 });
        var sent = 0;
        await Eventually.BeAsync(async () =>
        {
            var stream = await ChatStream.RunAsync(gateway.Client, $"conversation {sent++} tokens=3");
            Assert.Null(stream.Problem);
            Assert.Equal("full", stream.Versions[0]);
            return await StateAsync(gateway) is "rolling_back" or "rolled_back";
        }, () => gateway.Log);
        var history = (await gateway.GetAsync(Models + "/versions/lean-1")).GetProperty("history");
        Assert.Contains(history.EnumerateArray(), row => row.GetProperty("event").GetString() == "RolledBack" && row.GetProperty("reason").GetString()!.StartsWith("The answers diverge: agreement 0.5 ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Copies_are_dropped_where_clients_wait()
    {
        await using var gateway = await StartAsync(
            new JsonObject { ["ShadowShare"] = 1, ["ShadowSamples"] = 1000 },
            settings => settings["Access"]!["Queue"] = new JsonObject { ["Places"] = 1 });
        await Eventually.BeAsync(async () =>
        {
            var seen = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => ChatStream.RunAsync(gateway.Client, $"conversation {i} tokens=2 delay=5")));
            Assert.All(seen, stream => Assert.Null(stream.Problem));
            return (await gateway.Client.GetStringAsync("/metrics")).Contains("finercut_shadow_requests_total{model=\"tiny\",version=\"lean-1\",outcome=\"dropped\"}", StringComparison.Ordinal);
        }, () => gateway.Log);
    }

    [Fact]
    public async Task A_canary_whose_worker_dies_for_good_is_left_and_old_files_go()
    {
        await using var gateway = await StartAsync(new JsonObject { ["CanaryWeight"] = 1, ["KeepVersions"] = 1 });
        var file = Path.Combine(gateway.Folder, "state/versions", GatewayProcess.Model, "lean-1.gguf");
        Assert.True(File.Exists(file));
        gateway.Script("""{"exitAtStart":134,"versions":["lean-1"]}""");
        // The canary dies of it; so does the active one, and the request is given up. The active one comes back.
        await gateway.Client.PostAsync("/v1/chat/completions", ChatStream.Body("tokens=2 die=0"));
        await Eventually.BeAsync(async () => await StateAsync(gateway) == "rolled_back", () => gateway.Log);
        Assert.True(File.Exists(file));
        gateway.Script("{}");
        Assert.Equal("passed", (await gateway.JobEndAsync(await gateway.OrderJobAsync("""{"budget":{"sublayers":3},"promote":false}"""))).GetProperty("state").GetString());
        Assert.Equal("removed", await StateAsync(gateway));
        Assert.False(File.Exists(file));
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=2")).Problem);
        Assert.Equal(HttpStatusCode.Conflict, (await gateway.PromoteAsync("lean-1")).Status);
    }

    private static async Task<GatewayProcess> StartAsync(JsonObject rollout, Action<JsonObject>? change = null)
    {
        rollout["Mode"] = "Canary";
        var gateway = await GatewayProcess.StartAsync(settings =>
        {
            settings["Models"]![GatewayProcess.Model]!["Rollout"] = rollout;
            change?.Invoke(settings);
        });
        Assert.Equal("passed", (await gateway.JobEndAsync(await gateway.OrderJobAsync())).GetProperty("state").GetString());
        return gateway;
    }

    private static async Task<string> StateAsync(GatewayProcess gateway) =>
        (await gateway.GetAsync(Models + "/versions/lean-1")).GetProperty("version").GetProperty("state").GetString()!;

    private static async Task<double> WeightAsync(GatewayProcess gateway) => (await gateway.GetAsync(Models + "/trial")).GetProperty("weight").GetDouble();
}
