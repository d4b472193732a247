using System.Net;

namespace FinerCut.Tests.Processes;

/// <summary>SIGTERM while answers are under way.</summary>
public class StopTests
{
    [Fact]
    public async Task Asked_to_end_it_lets_answers_finish_writes_the_jobs_checkpoint_and_then_ends()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        gateway.Script("""{"pruneSteps":100000,"pruneStepMs":20}""");
        var id = await gateway.OrderJobAsync();
        await Eventually.BeAsync(async () => (await gateway.GetAsync($"/admin/jobs/{id}")).TryGetProperty("progress", out _), () => gateway.Log);
        Task<int>? stopped = null;
        var stream = await ChatStream.RunAsync(gateway.Client, "tokens=100 delay=20", token =>
        {
            if (token == 5) stopped = gateway.StopAsync();
            return Task.CompletedTask;
        });
        Assert.Null(stream.Problem);
        Assert.Equal(100, stream.Tokens);
        Assert.Equal(0, await stopped!);
        Assert.Contains("goes on from its checkpoint", gateway.Log, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(gateway.Folder, "state/jobs", id, "checkpoint")));
    }

    [Fact]
    public async Task Past_the_drains_deadline_answers_are_ended_with_a_typed_error_and_those_who_wait_are_refused()
    {
        await using var gateway = await GatewayProcess.StartAsync(settings =>
        {
            settings["Models"]![GatewayProcess.Model]!["DrainTimeoutSeconds"] = 1;
            settings["Access"]!["Queue"] = new System.Text.Json.Nodes.JsonObject { ["Places"] = 2 };
        });
        Task<int>? stopped = null;
        Task<HttpResponseMessage>? whole = null, waiting = null;
        var stream = await ChatStream.RunAsync(gateway.Client, "tokens=100000 delay=20", token =>
        {
            if (token == 1) whole = gateway.Client.PostAsync("/v1/chat/completions", ChatStream.Body("tokens=100000 delay=20"));
            if (token == 10) waiting = gateway.Client.PostAsync("/v1/chat/completions", ChatStream.Body("tokens=1"));
            if (token == 20) stopped = gateway.StopAsync();
            return Task.CompletedTask;
        });
        Assert.Equal("gateway_stopping", stream.Error);
        foreach (var answer in (Task<HttpResponseMessage>[])[whole!, waiting!])
        {
            using var response = await answer;
            Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
            Assert.Contains("gateway_stopping", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        Assert.Equal(0, await stopped!.WaitAsync(TimeSpan.FromMinutes(2)));
    }
}
