using System.Net;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Processes;

/// <summary>Models that are loaded on demand, unloaded when idle or to make room, and refused when they do not fit.</summary>
public class ResidencyTests
{
    [Fact]
    public async Task A_model_is_loaded_when_it_is_wanted_and_unloaded_when_nobody_asks()
    {
        await using var gateway = await GatewayProcess.StartAsync(settings =>
        {
            var model = settings["Models"]![GatewayProcess.Model]!;
            model["Load"] = "Demand";
            model["UnloadAfterSeconds"] = 0.5;
        });
        Assert.Empty(await gateway.WorkersAsync());
        Assert.Equal(0, (await gateway.GetAsync("/admin/memory")).GetProperty("held").GetInt64());
        var streams = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ChatStream.RunAsync(gateway.Client, "tokens=3")));
        Assert.All(streams, stream => Assert.Null(stream.Problem));
        Assert.True((await gateway.GetAsync("/admin/memory")).GetProperty("held").GetInt64() > 0);

        // Requests of more than the idle time keep it; none fails while it comes and goes.
        for (var round = 0; round < 3; round++)
        {
            Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=30 delay=30")).Problem);
            await Eventually.BeAsync(async () => (await gateway.WorkersAsync()).Count == 0, () => gateway.Log);
            await Eventually.BeAsync(async () => (await gateway.GetAsync("/admin/memory")).GetProperty("held").GetInt64() == 0, () => gateway.Log);
        }
    }

    [Fact]
    public async Task Idle_models_make_room_pinned_ones_do_not_and_what_does_not_fit_is_refused_with_the_figures()
    {
        // Each fake takes what a bare worker does, about 120 MiB: two fit.
        await using var gateway = await GatewayProcess.StartAsync(settings =>
        {
            settings["Memory"] = new JsonObject { ["LimitBytes"] = 250L << 20 };
            settings["Models"]![GatewayProcess.Model]!["Pinned"] = true;
            settings["Models"]!["second"] = new JsonObject { ["Path"] = "tiny.gguf", ["Load"] = "Demand" };
            settings["Models"]!["third"] = new JsonObject { ["Path"] = "tiny.gguf", ["Load"] = "Demand" };
        });
        foreach (var model in (string[])["second", "third", "second"])
        {
            using var answer = await gateway.Client.PostAsync("/v1/chat/completions", ChatStream.Body("tokens=2", model: model));
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            var loaded = (await gateway.WorkersAsync()).Select(worker => worker.GetProperty("model").GetString()).Order();
            Assert.Equal(((string[])[model, GatewayProcess.Model]).Order(), loaded);
        }

        // In use, it is not unloaded, and the other does not fit.
        using var leaving = new CancellationTokenSource();
        using var busy = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = ChatStream.Body("tokens=100000 delay=20", stream: true, model: "second") };
        using var stream = await gateway.Client.SendAsync(busy, HttpCompletionOption.ResponseHeadersRead, leaving.Token);
        using var refused = await gateway.Client.PostAsync("/v1/chat/completions", ChatStream.Body("tokens=2", model: "third"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        // When the busy one will be done, nobody knows.
        Assert.Null(refused.Headers.RetryAfter);
        var text = await refused.Content.ReadAsStringAsync();
        Assert.Contains("insufficient_memory", text, StringComparison.Ordinal);
        Assert.Contains("third/full would need 120 MiB", text, StringComparison.Ordinal);

        // A job and a swap as well, before anything is started.
        for (var i = 0; i < 6; i++) Assert.Null((await ChatStream.RunAsync(gateway.Client, $"question {i} tokens=2")).Problem);
        await Eventually.BeAsync(async () => (await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}/recording")).GetProperty("counts").GetProperty("distinct").GetInt32() >= 4, () => gateway.Log);
        var (status, body) = await gateway.SendAsync(HttpMethod.Post, $"/admin/models/{GatewayProcess.Model}/prune", """{"budget":{"sublayers":3}}""");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "insufficient_memory"), (status, ChatStream.Code(body)));
        stream.Dispose();
        await leaving.CancelAsync();
        await Eventually.BeAsync(async () =>
        {
            using var again = await gateway.Client.PostAsync("/v1/chat/completions", ChatStream.Body("tokens=2", model: "third"));
            return again.StatusCode == HttpStatusCode.OK;
        }, () => gateway.Log);
    }

    [Fact]
    public async Task A_swap_that_does_not_fit_is_refused_before_anything_changes()
    {
        await using var gateway = await GatewayProcess.StartAsync(settings => settings["Memory"] = new JsonObject { ["LimitBytes"] = 250L << 20 });
        Assert.Equal("passed", (await gateway.JobEndAsync(await gateway.OrderJobAsync("""{"budget":{"sublayers":3},"promote":false}"""))).GetProperty("state").GetString());
        gateway.Kill();
        await gateway.RunAsync(arguments: ["--Memory:LimitBytes", $"{235L << 20}"]);
        var (status, body) = await gateway.PromoteAsync("lean-1");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "insufficient_memory"), (status, ChatStream.Code(body)));
        var model = await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}");
        Assert.Equal(("full", "registered"), (model.GetProperty("active").GetString(), model.GetProperty("versions")[1].GetProperty("state").GetString()));
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=2")).Problem);
    }
}
