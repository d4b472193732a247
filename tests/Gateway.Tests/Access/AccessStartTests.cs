using System.Net;
using System.Text.Json;
using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Tests.Access;

/// <summary>Gateways that are started, refused and killed.</summary>
public sealed class AccessStartTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("finercut-access-start-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task This_machine_needs_no_key_where_the_settings_say_so_and_web_pages_do()
    {
        await using var gateway = await AccessGateway.StartAsync(_folder.FullName, "--Access:LoopbackWithoutKey", "true", "--Access:Queue:Places", "1", "--Access:Queue:Length", "1");
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(gateway.Client));
        using var any = gateway.ClientOf("sk-whatever");
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(any));
        using var wrong = gateway.ClientOf(KeyText.Create());
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(wrong));
        (string Name, string Value)[] strangers = [("X-Forwarded-For", "203.0.113.7"), ("Host", "evil.example"), ("Origin", "https://evil.example"), ("Forwarded", "for=203.0.113.7")];
        foreach (var (name, value) in strangers)
        {
            using var client = gateway.ClientOf(null);
            client.DefaultRequestHeaders.Add(name, value);
            Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(client));
        }

        Assert.Equal(HttpStatusCode.Unauthorized, (await gateway.Client.GetAsync("/admin/keys")).StatusCode);

        // One place and one to wait: of many at once, all but two at a time are told when to come again.
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => gateway.Client.PostAsync("/v1/chat/completions", AccessGateway.Chat("tokens=5 delay=20"))));
        var full = answers.Where(answer => answer.StatusCode == HttpStatusCode.TooManyRequests).ToList();
        Assert.InRange(full.Count, 1, 11);
        Assert.All(full, answer => Assert.True(answer.Headers.RetryAfter?.Delta > TimeSpan.Zero));
        Assert.Contains("queue_full", await full[0].Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_public_address_is_refused_until_there_is_a_key()
    {
        string[] open = ["--Listen:Address", "0.0.0.0"];
        var (code, output) = await AccessGateway.RunAsync(_folder.FullName, open);
        Assert.NotEqual(0, code);
        Assert.Contains("no client key exists", output, StringComparison.Ordinal);

        var (made, text) = await AccessGateway.RunAsync(_folder.FullName, "key", "create", "first");
        Assert.Equal(0, made);
        var key = text.Split('\n').First(line => line.StartsWith("fc-", StringComparison.Ordinal)).Trim();
        await using var gateway = await AccessGateway.StartAsync(_folder.FullName, open);
        using var client = gateway.ClientOf(key);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(client));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(gateway.Client));
    }

    [Fact]
    public async Task A_key_from_the_settings_opens_as_well()
    {
        await using var gateway = await AccessGateway.StartAsync(_folder.FullName, "--Access:Key", "a-key-from-the-settings");
        using var client = gateway.ClientOf("a-key-from-the-settings");
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(client));
        using var other = gateway.ClientOf("a-key-from-the-setting");
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(other));
    }

    /// <summary>64 clients, kill -9 in the midst, then on with the same quota: never more than the limit, nothing stays reserved.</summary>
    [Fact]
    public async Task Quotas_are_exact_under_64_clients_and_across_a_kill()
    {
        const int Limit = 3000;
        const int OfOne = 6;
        string key, id;
        var answered = 0;
        await using (var first = await AccessGateway.StartAsync(_folder.FullName))
        {
            (key, id) = await first.CreateKeyAsync($$$"""{"name":"app","limits":{"tokens_per_day":{{{Limit}}},"concurrency":64}}""");
            using var client = first.ClientOf(key);
            var enough = new TaskCompletionSource();
            var clients = Clients(client, () =>
            {
                if (Interlocked.Increment(ref answered) == 150) enough.TrySetResult();
            });
            await enough.Task.WaitAsync(TimeSpan.FromSeconds(60));
            await first.KillAsync();
            await clients;
        }

        await using var second = await AccessGateway.StartAsync(_folder.FullName);
        var usage = await second.UsageAsync(id);
        Assert.Equal(0, usage.GetProperty("running").GetInt32());
        var after = usage.GetProperty("tokens_today").GetInt32();

        // Whoever got a whole answer has paid for it; who was cut off by the kill may have paid, too, but for no more than one answer.
        Assert.InRange(after, answered * OfOne, (answered + 64) * OfOne);

        var before = answered;
        using var again = second.ClientOf(key);
        await Clients(again, () => Interlocked.Increment(ref answered));
        usage = await second.UsageAsync(id);
        Assert.Equal(0, usage.GetProperty("running").GetInt32());
        Assert.Equal(after + ((answered - before) * OfOne), usage.GetProperty("tokens_today").GetInt32());
        Assert.InRange(usage.GetProperty("tokens_today").GetInt32(), Limit - 40, Limit);
    }

    /// <summary>64 clients send until they are refused or cut off.</summary>
    private static Task Clients(HttpClient client, Action answered) => Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Task.Run(async () =>
    {
        try
        {
            while (true)
            {
                using var response = await client.PostAsync("/v1/chat/completions", AccessGateway.Chat("tokens=3"));
                var body = await response.Content.ReadAsStringAsync();
                if (response.StatusCode != HttpStatusCode.OK)
                {
                    Assert.Equal("insufficient_quota", JsonDocument.Parse(body).RootElement.GetProperty("error").GetProperty("code").GetString());
                    return;
                }

                answered();
            }
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            // The gateway was killed.
        }
    })));

    private static async Task<HttpStatusCode> StatusAsync(HttpClient client) => (await client.PostAsync("/v1/chat/completions", AccessGateway.Chat())).StatusCode;
}
