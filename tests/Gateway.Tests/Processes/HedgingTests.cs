using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Processes;

/// <summary>Requests that are sent to a second destination when the first is silent; the destinations are gateways, too.</summary>
public class HedgingTests
{
    private const string Slow = """{"firstDelayMs":60000}""";

    [Fact]
    public async Task A_silent_destination_is_overtaken_before_the_first_byte_and_the_answer_is_paid_and_kept_once()
    {
        await using var one = await GatewayProcess.StartAsync();
        await using var two = await GatewayProcess.StartAsync();
        await using var front = await GatewayProcess.StartAsync(settings => settings["Models"]![GatewayProcess.Model] = new JsonObject
        {
            ["HedgeAfterSeconds"] = 2,
            ["Recording"] = new JsonObject { ["Enabled"] = true },
            ["Destinations"] = new JsonObject { ["one"] = Of(one), ["two"] = Of(two) },
        });
        await Eventually.BeAsync(() => front.Log.Split(" of tiny is Ready").Length == 3, () => front.Log);

        // The first byte is there in time: however long the rest takes, nobody else is asked.
        Assert.Null((await ChatStream.RunAsync(front.Client, "tokens=40 delay=80")).Problem);
        Assert.Equal(0, await MetricAsync(front, "finercut_hedges_total"));

        // Whichever is asked first, one of these two finds it silent. Streamed, and recorded whole.
        var key = await KeyAsync(front);
        await AskBothWaysAsync(async number =>
        {
            var stream = await ChatStream.RunAsync(front.Client, $"stream {number} tokens=5").WaitAsync(TimeSpan.FromMinutes(2));
            Assert.Null(stream.Problem);
            Assert.Equal(5, stream.Tokens);
        });
        Assert.Equal(1, await MetricAsync(front, "finercut_hedges_total"));

        // Not streamed, with a key that is counted.
        await AskBothWaysAsync(async _ =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = ChatStream.Body("tokens=5") };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key.Text);
            using var answer = await front.Client.SendAsync(request).WaitAsync(TimeSpan.FromMinutes(2));
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("full", Assert.Single(answer.Headers.GetValues("x-finercut-version")));
        });
        Assert.Equal(2, await MetricAsync(front, "finercut_hedges_total"));
        var usage = (await front.GetAsync($"/admin/keys/{key.Id}")).GetProperty("usage");
        Assert.Equal((2, 16), (usage.GetProperty("requests_this_minute").GetInt32(), usage.GetProperty("tokens_this_minute").GetInt32()));
        Assert.Equal(5, await MetricAsync(front, "finercut_requests_total"));
        Assert.Equal(0, await MetricAsync(front, "finercut_attempts_failed_total"));

        // The losers were told at once, a minute before they would have answered.
        foreach (var destination in (GatewayProcess[])[one, two]) await Eventually.BeAsync(async () => await MetricAsync(destination, "finercut_requests_in_flight") == 0, () => front.Log, seconds: 20);
        await Eventually.BeAsync(async () => (await front.GetAsync($"/admin/models/{GatewayProcess.Model}/recording")).GetProperty("pending").GetInt32() == 0, () => front.Log);
        var kept = await front.Admin.GetStringAsync($"/admin/models/{GatewayProcess.Model}/recording/export");
        Assert.Equal(2, kept.Split("full.0 full.1 full.2 full.3 full.4 \"").Length - 1);

        // One dies of it while the other thinks: that is one failure, and an answer.
        one.Script(Slow);
        two.Script("""{"firstDelayMs":3000}""");
        var asked = ChatStream.RunAsync(front.Client, "tokens=3");
        await Eventually.BeAsync(async () => await MetricAsync(one, "finercut_requests_in_flight") == 1 && await MetricAsync(two, "finercut_requests_in_flight") == 1, () => front.Log, seconds: 20);
        one.Kill();
        Assert.Null((await asked).Problem);
        Assert.Equal(1, await MetricAsync(front, "finercut_attempts_failed_total"));

        async Task AskBothWaysAsync(Func<int, Task> ask)
        {
            one.Script(Slow);
            await ask(1);
            one.Script("{}");
            two.Script(Slow);
            await ask(2);
            two.Script("{}");
        }
    }

    private static JsonObject Of(GatewayProcess gateway) => new() { ["Url"] = $"http://127.0.0.1:{gateway.Port}", ["HealthIntervalSeconds"] = 0.1 };

    private static async Task<(string Id, string Text)> KeyAsync(GatewayProcess front)
    {
        var (status, key) = await front.SendAsync(HttpMethod.Post, "/admin/keys", """{"name":"counted","limits":{"requests_per_minute":100,"tokens_per_minute":100000}}""");
        Assert.True((int)status is 200 or 201);
        return (key.GetProperty("id").GetString()!, key.GetProperty("key").GetString()!);
    }

    private static async Task<double> MetricAsync(GatewayProcess gateway, string name) => (await gateway.Client.GetStringAsync("/metrics")).Split('\n')
        .Where(line => line.StartsWith(name + "{", StringComparison.Ordinal)).Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
}
