using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Processes;

/// <summary>Models that other servers answer for; the other servers are gateways, too.</summary>
public class DestinationTests
{
    [Fact]
    public async Task Destinations_are_health_checked_take_over_from_each_other_and_come_back()
    {
        await using var one = await GatewayProcess.StartAsync();
        await using var two = await GatewayProcess.StartAsync();
        await using var front = await FrontAsync(new JsonObject { ["one"] = Of(one), ["two"] = Of(two) });
        var streams = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => ChatStream.RunAsync(front.Client, "tokens=5 delay=2")));
        Assert.All(streams, stream => Assert.Null(stream.Problem));
        Assert.Contains("200", await MetricsAsync(one), StringComparison.Ordinal);
        Assert.Contains("200", await MetricsAsync(two), StringComparison.Ordinal);

        // One dies: what it had not begun to answer goes to the other, and nothing is lost from then on.
        one.Kill();
        for (var i = 0; i < 10; i++) Assert.Null((await ChatStream.RunAsync(front.Client, "tokens=2")).Problem);
        two.Kill();
        await Eventually.BeAsync(async () => (await front.Client.GetAsync("/health")).StatusCode == HttpStatusCode.ServiceUnavailable, () => front.Log);
        var waiting = ChatStream.RunAsync(front.Client, "tokens=2");
        await two.RunAsync(arguments: ["--Listen:Port", $"{two.Port}"]);
        Assert.Null((await waiting).Problem);
        Assert.DoesNotContain("destination-secret", front.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Failures_in_a_row_open_the_breaker_and_full_ones_are_waited_for()
    {
        await using var one = await GatewayProcess.StartAsync();
        var narrow = Of(one);
        narrow["MaxConcurrent"] = 1;
        narrow["BreakerFailures"] = 3;
        // Longer than a busy machine takes from the third failure to the request after it.
        narrow["BreakerPauseSeconds"] = 20;
        await using var front = await FrontAsync(new JsonObject { ["one"] = narrow });
        var streams = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => ChatStream.RunAsync(front.Client, "tokens=5 delay=10")));
        Assert.All(streams, stream => Assert.Null(stream.Problem));

        one.Script("""{"chatStatus":500}""");
        for (var i = 0; i < 3; i++) Assert.Equal(HttpStatusCode.InternalServerError, (await front.Client.PostAsync("/v1/chat/completions", ChatStream.Body("x"))).StatusCode);
        await Eventually.BeAsync(() => front.Log.Contains("3 requests in a row failed", StringComparison.Ordinal), () => front.Log);
        using var refused = await front.Client.PostAsync("/v1/chat/completions", ChatStream.Body("x"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        one.Script("{}");
        await Eventually.BeAsync(async () => (await front.Client.GetAsync("/health")).IsSuccessStatusCode, () => front.Log);
        Assert.Null((await ChatStream.RunAsync(front.Client, "tokens=2")).Problem);
    }

    [Fact]
    public async Task What_a_full_worker_says_of_when_to_come_again_is_what_the_client_is_told()
    {
        await using var gateway = await GatewayProcess.StartAsync(settings => settings["Forwarding"] = new JsonObject { ["RetryDeadlineSeconds"] = 1 });
        gateway.Script("""{"chatStatus":503,"retryAfter":17}""");
        using var refused = await gateway.Client.PostAsync("/v1/chat/completions", ChatStream.Body("x"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(17), refused.Headers.RetryAfter?.Delta);
        gateway.Script("""{"chatStatus":503}""");
        using var other = await gateway.Client.PostAsync("/v1/chat/completions", ChatStream.Body("x"));
        Assert.Equal(TimeSpan.FromSeconds(1), other.Headers.RetryAfter?.Delta);
    }

    [Fact]
    public async Task A_destination_that_does_not_accept_is_given_up_after_the_connect_time_out()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start(1);
        await using var front = GatewayProcess.Prepare(settings =>
        {
            settings["Forwarding"] = new JsonObject { ["ConnectTimeoutSeconds"] = 0.3, ["RetryDeadlineSeconds"] = 1 };
            settings["Models"]![GatewayProcess.Model] = new JsonObject { ["Destinations"] = new JsonObject { ["one"] = new JsonObject { ["Url"] = $"http://{listener.LocalEndpoint}", ["HealthIntervalSeconds"] = 3600 } } };
        });
        await front.RunAsync(ready: false);
        using (var health = await listener.AcceptSocketAsync().WaitAsync(TimeSpan.FromSeconds(60)))
        {
            await health.ReceiveAsync(new byte[4096]);
            await health.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray());
        }

        await Eventually.BeAsync(async () => (await front.Client.GetAsync("/health")).IsSuccessStatusCode, () => front.Log);

        // Nobody accepts any more and the line is full: a connection is neither made nor refused.
        var line = new List<Socket>();
        try
        {
            Task connecting;
            do
            {
                line.Add(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
                connecting = line[^1].ConnectAsync(listener.LocalEndpoint);
                await Task.WhenAny(connecting, Task.Delay(500));
            }
            while (connecting.IsCompletedSuccessfully && line.Count < 20);
            Assert.False(connecting.IsCompleted);
            using var answer = await front.Client.PostAsync("/v1/chat/completions", ChatStream.Body("x")).WaitAsync(TimeSpan.FromMinutes(2));
            Assert.Equal((HttpStatusCode.BadGateway, "worker_unreachable"), (answer.StatusCode, ChatStream.Code(JsonElement.Parse(await answer.Content.ReadAsStringAsync()))));
        }
        finally
        {
            foreach (var socket in line) socket.Dispose();
        }
    }

    private static JsonObject Of(GatewayProcess gateway) => new() { ["Url"] = $"http://127.0.0.1:{gateway.Port}", ["ApiKey"] = "destination-secret", ["HealthIntervalSeconds"] = 0.1 };

    private static Task<GatewayProcess> FrontAsync(JsonObject destinations) =>
        GatewayProcess.StartAsync(settings => settings["Models"]![GatewayProcess.Model] = new JsonObject { ["Destinations"] = destinations });

    private static async Task<string> MetricsAsync(GatewayProcess gateway) =>
        (await gateway.Client.GetStringAsync("/metrics")).Split('\n').FirstOrDefault(line => line.StartsWith("finercut_requests_total", StringComparison.Ordinal)) ?? "";
}
