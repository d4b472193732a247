using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using FinerCut.Tests.Processes;

namespace FinerCut.Tests.Telemetry;

/// <summary>A real gateway that sends to a collector, which this process is.</summary>
public class OtlpTests
{
    [Fact]
    public async Task Metrics_and_spans_reach_the_collector_with_names_and_ids_and_no_text()
    {
        using var collector = new Collector();
        await using var gateway = await GatewayProcess.StartAsync(settings => settings["Telemetry"] = new JsonObject
        {
            ["Otlp"] = new JsonObject { ["Endpoint"] = collector.Address, ["Protocol"] = "HttpProtobuf", ["Headers"] = "x-tenant=a-secret", ["IntervalSeconds"] = 0.2 },
        });
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "Zanzibar tokens=3")).Problem);
        await Eventually.BeAsync(() => collector.Text("/v1/traces").Contains("gen_ai.usage.output_tokens", StringComparison.Ordinal) && collector.Text("/v1/metrics").Contains("gen_ai.server.time_to_first_token", StringComparison.Ordinal), () => gateway.Log);
        foreach (var part in (string[])["finercut-gateway", "chat tiny", "gen_ai.request.model", "gen_ai.response.model", "full"]) Assert.Contains(part, collector.Text("/v1/traces"), StringComparison.Ordinal);
        foreach (var part in (string[])["finercut-gateway", "gen_ai.server.request.duration", "finercut_requests", "finercut_tokens"]) Assert.Contains(part, collector.Text("/v1/metrics"), StringComparison.Ordinal);
        Assert.All(collector.Tenants, tenant => Assert.Equal("a-secret", tenant));
        Assert.Equal(["/v1/metrics", "/v1/traces"], collector.Paths);
        Assert.DoesNotContain("Zanzibar", collector.Text("/v1/traces") + collector.Text("/v1/metrics"), StringComparison.Ordinal);
        Assert.DoesNotContain("a-secret", gateway.Log, StringComparison.Ordinal);

        // What was not sent yet is sent at the end.
        Assert.Equal(0, await gateway.StopAsync());
        Assert.DoesNotContain("Microsoft.AspNetCore", collector.Text("/v1/traces"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_collector_that_is_away_costs_no_request_anything()
    {
        await using var gateway = await GatewayProcess.StartAsync(settings => settings["Telemetry"] = new JsonObject
        {
            ["Otlp"] = new JsonObject { ["Endpoint"] = "http://127.0.0.1:9", ["IntervalSeconds"] = 0.1 },
        });
        for (var i = 0; i < 20; i++) Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=3 delay=10")).Problem);
        Assert.Equal(0, await gateway.StopAsync());
    }

    private sealed class Collector : IDisposable
    {
        private readonly HttpListener _listener = new();
        private readonly ConcurrentDictionary<string, ConcurrentQueue<byte[]>> _bodies = new();
        private readonly ConcurrentQueue<string?> _tenants = new();

        public Collector()
        {
            using (var probe = new TcpListener(IPAddress.Loopback, 0))
            {
                probe.Start();
                Address = $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}";
            }

            _listener.Prefixes.Add(Address + "/");
            _listener.Start();
            _ = TakeAsync();
        }

        public string Address { get; }

        public IEnumerable<string> Paths => _bodies.Keys.Order();

        public IEnumerable<string?> Tenants => _tenants;

        /// <summary>All that came to a path; protobuf keeps strings as they are.</summary>
        public string Text(string path) => string.Concat(_bodies.GetValueOrDefault(path, []).Select(Encoding.Latin1.GetString));

        public void Dispose() => _listener.Close();

        private async Task TakeAsync()
        {
            try
            {
                while (true)
                {
                    var context = await _listener.GetContextAsync();
                    var body = new MemoryStream();
                    await context.Request.InputStream.CopyToAsync(body);
                    _tenants.Enqueue(context.Request.Headers["x-tenant"]);
                    _bodies.GetOrAdd(context.Request.Url!.AbsolutePath, _ => new()).Enqueue(body.ToArray());
                    context.Response.ContentType = "application/x-protobuf";
                    context.Response.Close();
                }
            }
            catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException)
            {
                // Closed.
            }
        }
    }
}
