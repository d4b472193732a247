using System.Diagnostics;
using System.Net;

namespace FinerCut.Tests.Processes;

public class WorkerDeathTests
{
    [Fact]
    public async Task A_worker_killed_mid_stream_costs_its_stream_and_no_other_request()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        var worker = Assert.Single(await gateway.WorkersAsync()).GetProperty("process_id").GetInt32();
        var stream = await ChatStream.RunAsync(gateway.Client, "tokens=100000 delay=2", token =>
        {
            if (token == 5) Process.GetProcessById(worker).Kill();
            return Task.CompletedTask;
        });
        Assert.Equal("worker_died", stream.Error);
        Assert.False(stream.Done);
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=3")).Problem);
        Assert.NotEqual(worker, Assert.Single(await gateway.WorkersAsync()).GetProperty("process_id").GetInt32());
    }

    [Fact]
    public async Task What_fails_before_the_first_byte_is_tried_again_and_a_request_that_kills_is_given_up()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        using var response = await gateway.Client.PostAsync("/v1/chat/completions", ChatStream.Body("tokens=2 die=0"));
        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
        Assert.Equal("worker_died_twice", ChatStream.Code(System.Text.Json.JsonElement.Parse(await response.Content.ReadAsStringAsync())));
        Assert.Equal("false", Assert.Single(response.Headers.GetValues("x-should-retry")));
        await Eventually.BeAsync(async () => (await gateway.WorkersAsync())[0] is var worker && worker.GetProperty("recent_deaths").GetInt32() == 2, () => gateway.Log);

        // The worker is being restarted: a request that comes now waits for it.
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=3")).Problem);
    }

    [Fact]
    public async Task Of_all_that_a_worker_had_when_it_died_only_the_request_that_kills_is_given_up()
    {
        await using var gateway = await GatewayProcess.StartAsync(settings => settings["Worker"]!["Restart"]!["BreakerDeaths"] = 10);
        gateway.Script("""{"firstDelayMs":120000}""");
        var others = Enumerable.Range(0, 5).Select(i => gateway.Client.PostAsync("/v1/chat/completions", ChatStream.Body($"question {i} tokens=3 delay=50"))).ToArray();
        await Eventually.BeAsync(async () => (await gateway.WorkersAsync())[0].GetProperty("in_flight").GetInt32() == others.Length, () => gateway.Log);
        gateway.Script("{}");
        using var killer = await gateway.Client.PostAsync("/v1/chat/completions", ChatStream.Body("tokens=2 die=0"));
        Assert.Equal("worker_died_twice", ChatStream.Code(System.Text.Json.JsonElement.Parse(await killer.Content.ReadAsStringAsync())));
        foreach (var other in await Task.WhenAll(others)) Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        await Eventually.BeAsync(async () => (await gateway.WorkersAsync())[0].GetProperty("recent_deaths").GetInt32() == 2, () => gateway.Log);
    }

    [Fact]
    public async Task A_worker_that_is_stopped_is_noticed_and_replaced()
    {
        await using var gateway = await GatewayProcess.StartAsync(settings =>
        {
            settings["Worker"]!["LivenessIntervalSeconds"] = 0.2;
            settings["Worker"]!["LivenessTimeoutSeconds"] = 2;
        });
        var worker = Assert.Single(await gateway.WorkersAsync()).GetProperty("process_id").GetInt32();
        var stream = await ChatStream.RunAsync(gateway.Client, "tokens=100000 delay=2", async token =>
        {
            if (token != 5) return;
            using var stop = Process.Start("kill", $"-STOP {worker}");
            await stop.WaitForExitAsync();
        });
        Assert.Equal("worker_died", stream.Error);
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=3")).Problem);
        Assert.False(Eventually.IsAlive(worker));
        Assert.Contains("answered none of 3 probes", gateway.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_that_always_dies_opens_the_breaker()
    {
        await using var gateway = GatewayProcess.Prepare();
        gateway.Script("""{"exitAtStart":139}""");
        await gateway.RunAsync(ready: false);
        await Eventually.BeAsync(async () => (await gateway.WorkersAsync())[0].GetProperty("state").GetString() == "broken", () => gateway.Log);
        var worker = (await gateway.WorkersAsync())[0];
        Assert.Contains("signal 11", worker.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(4, worker.GetProperty("recent_deaths").GetInt32());
        using var response = await gateway.Client.PostAsync("/v1/chat/completions", ChatStream.Body("hi"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.InRange(response.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 30, 60);
        Assert.Contains("worker_down", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_that_refuses_its_input_is_not_started_again()
    {
        await using var gateway = GatewayProcess.Prepare();
        gateway.Script("""{"exitAtStart":2}""");
        await gateway.RunAsync(ready: false);
        await Eventually.BeAsync(async () => (await gateway.WorkersAsync())[0].GetProperty("state").GetString() == "failed", () => gateway.Log);
        Assert.Contains("told to end at start", (await gateway.WorkersAsync())[0].GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_waits_for_a_model_that_loads_and_a_silent_answer_ends()
    {
        await using var gateway = GatewayProcess.Prepare(settings => settings["Forwarding"] = new System.Text.Json.Nodes.JsonObject { ["IdleTimeoutSeconds"] = 0.3, ["FirstByteTimeoutSeconds"] = 0.5 });
        gateway.Script("""{"loadMs":400}""");
        await gateway.RunAsync(ready: false);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await gateway.Client.GetAsync("/health")).StatusCode);
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=3")).Problem);
        Assert.Equal("idle_timeout", (await ChatStream.RunAsync(gateway.Client, "tokens=3 hang=2")).Error);
        Assert.Equal("first_byte_timeout", (await ChatStream.RunAsync(gateway.Client, "tokens=3 hang=0")).Error);
    }
}
