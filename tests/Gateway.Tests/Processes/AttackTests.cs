using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace FinerCut.Tests.Processes;

/// <summary>What somebody who means no good might send. Keys in logs, scopes and quotas: see Access.</summary>
public class AttackTests
{
    private const string Body = """{"model":"tiny","messages":[{"role":"user","content":"tokens=1"}]}""";

    [Fact]
    public async Task Requests_that_two_readers_could_frame_differently_are_refused()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        string[] heads =
        [
            $"Content-Length: {Body.Length}\r\nContent-Length: {Body.Length + 5}",
            $"Content-Length : {Body.Length}",
            "Content-Length: +5",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked, identity",
            $"Content-Length: {Body.Length}\r\nX-A: b\r\n folded: c",
            $"Content-Length: {Body.Length}\r\nX-A: b\0c",
        ];
        foreach (var head in heads)
        {
            var answer = await RawAsync(gateway.Port, $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n{Body}");
            Assert.True(answer.StartsWith("HTTP/1.1 400", StringComparison.Ordinal) || answer.StartsWith("HTTP/1.1 501", StringComparison.Ordinal), $"{head}: {answer}");
        }

        // Both framings at once: chunked counts, the connection ends there, and what would have been smuggled is no request.
        var both = await RawAsync(gateway.Port,
            $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{Body.Length:x}\r\n{Body}\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        Assert.True(both.StartsWith("HTTP/1.1 400", StringComparison.Ordinal) || both.Contains("\"choices\"", StringComparison.Ordinal), both);

        // The gateway frames anew what it forwards: hop-by-hop headers of a client end here.
        var hop = await RawAsync(gateway.Port, $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close, X-Secret\r\nX-Secret: a\r\nTE: trailers\r\nContent-Length: {Body.Length}\r\n\r\n{Body}");
        Assert.StartsWith("HTTP/1.1 200", hop, StringComparison.Ordinal);
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=2")).Problem);
    }

    [Fact]
    public async Task A_body_that_trickles_is_cut_off()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        using var socket = await ConnectAsync(gateway.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{"));
        var answer = await ReadAsync(socket).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.True(answer.Length == 0 || answer.StartsWith("HTTP/1.1 408", StringComparison.Ordinal), answer);
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=2")).Problem);
    }

    [Fact]
    public async Task Addresses_in_bodies_and_headers_are_never_asked()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        using var trap = new TcpListener(IPAddress.Loopback, 0);
        trap.Start();
        var url = $"http://127.0.0.1:{((IPEndPoint)trap.LocalEndpoint).Port}/x";
        string[] bodies =
        [
            $$"""{"model":"tiny","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"{{url}}" } }]}]}""",
            $$"""{"model":"tiny","messages":[{"role":"user","content":"tokens=1"}],"tools":[{"type":"mcp","server_url":"{{url}}"}],"base_url":"{{url}}","callback":"{{url}}"}""",
            $$"""{"model":"{{url}}","messages":[{"role":"user","content":"tokens=1"}]}""",
        ];
        foreach (var body in bodies)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
            foreach (var name in (string[])["X-Original-URL", "X-Rewrite-URL", "Destination", "Referer"]) request.Headers.Add(name, url);
            using var answer = await gateway.Client.SendAsync(request);
        }

        await RawAsync(gateway.Port, $"POST {url} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {Body.Length}\r\n\r\n{Body}");
        await RawAsync(gateway.Port, $"CONNECT {new Uri(url).Authority} HTTP/1.1\r\nHost: {new Uri(url).Authority}\r\nConnection: close\r\n\r\n");
        Assert.False(trap.Pending());
    }

    [Theory]
    [InlineData("../tiny")]
    [InlineData("tiny/../tiny")]
    [InlineData("tiny\\u0000")]
    [InlineData("%2e%2e%2ftiny")]
    [InlineData("TINY ")]
    [InlineData("/etc/passwd")]
    [InlineData("tiny#full")]
    public async Task A_models_name_is_a_name_and_no_path(string name)
    {
        await using var gateway = await GatewayProcess.StartAsync();
        using var answer = await gateway.Client.PostAsync("/v1/chat/completions", new StringContent($$"""{"model":"{{name}}","messages":[{"role":"user","content":"x"}]}"""));
        Assert.Equal((HttpStatusCode.NotFound, "model_not_found"), (answer.StatusCode, ChatStream.Code(JsonElement.Parse(await answer.Content.ReadAsStringAsync()))));
        var escaped = Uri.EscapeDataString(name.Replace("\\u0000", "\0", StringComparison.Ordinal));
        foreach (var path in (string[])[$"/admin/models/{escaped}/promote", $"/admin/models/{escaped}/prune"])
        {
            var (status, _) = await gateway.SendAsync(HttpMethod.Post, path, """{"version":"full","budget":{"sublayers":1}}""");
            Assert.True(status is HttpStatusCode.NotFound or HttpStatusCode.BadRequest, $"{path} {status}");
        }

        var (promoted, _) = await gateway.SendAsync(HttpMethod.Post, "/admin/models/tiny/promote", JsonSerializer.Serialize(new { version = "../../" + escaped }));
        Assert.Equal(HttpStatusCode.NotFound, promoted);
    }

    [Fact]
    public async Task Pages_of_other_sites_get_nothing()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        foreach (var path in (string[])["/v1/chat/completions", "/v1/models", "/admin/models", "/health", "/metrics"])
        {
            using var preflight = new HttpRequestMessage(HttpMethod.Options, path);
            preflight.Headers.Add("Origin", "https://evil.example");
            preflight.Headers.Add("Access-Control-Request-Method", "POST");
            preflight.Headers.Add("Access-Control-Request-Headers", "authorization");
            using var refused = await gateway.Client.SendAsync(preflight);
            Assert.False(refused.IsSuccessStatusCode, path);
            using var simple = new HttpRequestMessage(path.Contains("chat", StringComparison.Ordinal) ? HttpMethod.Post : HttpMethod.Get, path) { Content = path.Contains("chat", StringComparison.Ordinal) ? new StringContent(Body) : null };
            simple.Headers.Add("Origin", "https://evil.example");
            using var answer = await gateway.Client.SendAsync(simple);
            Assert.True(path == "/health" || !answer.IsSuccessStatusCode, path);
            foreach (var response in (HttpResponseMessage[])[refused, answer]) Assert.DoesNotContain(response.Headers, header => header.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase));
        }

        // After DNS rebinding, the page's host gives it away.
        using var rebound = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(Body) };
        rebound.Headers.Host = "evil.example";
        using var unknown = await gateway.Client.SendAsync(rebound);
        Assert.Equal(HttpStatusCode.Unauthorized, unknown.StatusCode);
    }

    private static async Task<Socket> ConnectAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port);
        return socket;
    }

    private static async Task<string> RawAsync(int port, string request)
    {
        using var socket = await ConnectAsync(port);
        await socket.SendAsync(Encoding.Latin1.GetBytes(request));
        return await ReadAsync(socket).WaitAsync(TimeSpan.FromSeconds(60));
    }

    /// <summary>Until the end, or until the first answer with a length is whole.</summary>
    private static async Task<string> ReadAsync(Socket socket)
    {
        var text = new StringBuilder();
        var buffer = new byte[8192];
        try
        {
            for (int read; (read = await socket.ReceiveAsync(buffer)) > 0;)
            {
                text.Append(Encoding.Latin1.GetString(buffer, 0, read));
                if (text.ToString().Contains("0\r\n\r\n", StringComparison.Ordinal) || text.ToString().EndsWith('}')) break;
            }
        }
        catch (SocketException)
        {
            // Reset: refused, too.
        }

        return text.ToString();
    }
}
