using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace FinerCut.Tests.Processes;

public class SwapTests(ITestOutputHelper output)
{
    /// <summary>Ten swaps as fast as they go; with SOAK_MINUTES for so long, one every 20 seconds.</summary>
    [Fact]
    public async Task Swaps_under_eight_streams_lose_nothing()
    {
        var minutes = double.Parse(Environment.GetEnvironmentVariable("SOAK_MINUTES") ?? "0", CultureInfo.InvariantCulture);
        var pause = minutes > 0 ? TimeSpan.FromSeconds(20) : TimeSpan.Zero;
        var tokens = minutes > 0 ? 100 : 20;
        var swaps = minutes > 0 ? (int)Math.Ceiling(minutes * 60 / pause.TotalSeconds) : 10;
        await using var gateway = await GatewayProcess.StartAsync();
        await gateway.PassJobAsync();

        using var enough = new CancellationTokenSource();
        var all = new ConcurrentBag<ChatStream>();
        var streams = Enumerable.Range(0, 8).Select(number => Task.Run(async () =>
        {
            while (!enough.IsCancellationRequested) all.Add(await ChatStream.RunAsync(gateway.Client, $"stream {number} tokens={tokens} delay={(minutes > 0 ? 10 : 3)}"));
        })).ToArray();
        var active = "lean-1";
        for (var i = 0; i < swaps; i++)
        {
            var began = Stopwatch.GetTimestamp();
            var before = all.Count(outcome => !(outcome.Versions is [var version, ..] && version == active));
            active = active == "full" ? "lean-1" : "full";
            // The lean version replaced the full one, so a rollback leads there too.
            var (status, body) = i % 4 == 2 && active == "full"
                ? await gateway.SendAsync(HttpMethod.Post, $"/admin/models/{GatewayProcess.Model}/rollback")
                : await gateway.PromoteAsync(active);
            Assert.True(status == HttpStatusCode.OK, body.ToString());
            Assert.Equal(active, body.GetProperty("active").GetString());
            await Eventually.BeAsync(() => all.Count(outcome => outcome.Versions is [var version, ..] && version == active) > before, () => gateway.Log);
            await Eventually.BeAsync(() => Stopwatch.GetElapsedTime(began) >= pause, () => gateway.Log);
        }

        await enough.CancelAsync();
        await Task.WhenAll(streams);
        output.WriteLine($"{swaps} swaps, {all.Count} streams: {all.Count(outcome => outcome.Status != HttpStatusCode.OK)} failed, {all.Count(outcome => outcome is { Status: HttpStatusCode.OK, Done: false })} cut, {all.Count(outcome => outcome.Versions.Distinct().Count() > 1)} mixed");
        Assert.Empty(all.Where(outcome => outcome.Problem is not null || outcome.Tokens != tokens).Select(outcome => outcome.Problem ?? $"{outcome.Tokens} tokens"));
        Assert.Equal(2, all.SelectMany(outcome => outcome.Versions).Distinct().Count());
        Assert.True(all.Count >= 16, $"only {all.Count} streams");

        Assert.Contains("finercut_requests_total{model=\"tiny\",status=\"200\"}", await gateway.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);

        var text = await gateway.Client.GetStringAsync("/metrics");
        foreach (var part in (string[])["gen_ai_server_time_to_first_token_count{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"finercut\",gen_ai_request_model=\"tiny\",gen_ai_response_model=\"lean-1\"}",
            "gen_ai_server_time_per_output_token_sum", "finercut_load_seconds_count{model=\"tiny\",version=\"lean-1\"}", "finercut_tokens_total{model=\"tiny\",version=\"full\",type=\"output\",class=\"Normal\"}"]) Assert.Contains(part, text, StringComparison.Ordinal);

        // Old workers go once they are drained.
        await Eventually.BeAsync(async () => (await gateway.WorkersAsync()).Count == 1, () => gateway.Log);
    }

    [Fact]
    public async Task A_stream_finishes_on_its_version_until_the_drain_deadline_ends_it_with_a_typed_event()
    {
        await using var gateway = await GatewayProcess.StartAsync(settings => settings["Models"]![GatewayProcess.Model]!["DrainTimeoutSeconds"] = 0.3);
        await gateway.PassJobAsync();
        var swapped = false;
        var stream = await ChatStream.RunAsync(gateway.Client, "tokens=100000 delay=5", async token =>
        {
            if (token != 3) return;
            Assert.Equal(HttpStatusCode.OK, (await gateway.PromoteAsync("full")).Status);
            Assert.Equal("full", Assert.Single((await ChatStream.RunAsync(gateway.Client, "tokens=1")).Versions.Distinct()));
            swapped = true;
        });
        Assert.True(swapped);
        Assert.Equal("version_retired", stream.Error);
        Assert.Equal("lean-1", Assert.Single(stream.Versions.Distinct()));
        Assert.True(stream.Tokens > 3);
    }

    [Fact]
    public async Task A_version_that_does_not_come_up_changes_nothing()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        gateway.Script("""{"exitAtStart":134,"versions":["lean-1"]}""");
        var job = await gateway.JobEndAsync(await gateway.OrderJobAsync());
        Assert.Equal("failed", job.GetProperty("state").GetString());
        Assert.Equal("staging_failed", job.GetProperty("error").GetProperty("code").GetString());
        var model = await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}");
        Assert.Equal("full", model.GetProperty("active").GetString());
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=2")).Problem);

        // With the cause gone, the same version can be promoted by hand.
        gateway.Script("{}");
        Assert.Equal(HttpStatusCode.OK, (await gateway.PromoteAsync("lean-1")).Status);
    }

    [Fact]
    public async Task A_version_that_cannot_be_kept_alive_is_rolled_back()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        await gateway.PassJobAsync();
        gateway.Script("""{"exitAtStart":134,"versions":["lean-1"]}""");
        Assert.Equal("worker_died", (await ChatStream.RunAsync(gateway.Client, "tokens=30 delay=5 die=20")).Error);
        await Eventually.BeAsync(async () => (await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}")).GetProperty("active").GetString() == "full", () => gateway.Log);
        var after = await ChatStream.RunAsync(gateway.Client, "tokens=3");
        Assert.Null(after.Problem);
        Assert.Equal("full", after.Versions[0]);
        await Eventually.BeAsync(async () => (await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}")).GetProperty("versions")[1].GetProperty("state").GetString() == "rolled_back");
    }
}
