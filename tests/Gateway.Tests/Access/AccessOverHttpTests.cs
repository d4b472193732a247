using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using FinerCut.Gateway.Access.Administration;
using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Tests.Access;

/// <summary>One gateway that asks everybody for a key.</summary>
public sealed class AccessOverHttpTests : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("finercut-access-http-");
    private AccessGateway _gateway = null!;

    public async ValueTask InitializeAsync() => _gateway = await AccessGateway.StartAsync(_folder.FullName);

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Keys_are_made_shown_once_changed_and_deleted()
    {
        using var admin = _gateway.ClientOf(AccessGateway.AdminKey);
        var (text, id) = await _gateway.CreateKeyAsync("""{"name":"app","limits":{"requests_per_minute":100}}""");
        var list = await admin.GetStringAsync("/admin/keys");
        Assert.Contains(id, list, StringComparison.Ordinal);
        Assert.DoesNotContain(text[^43..], list, StringComparison.Ordinal);
        Assert.DoesNotContain(KeyText.Hash(text), list, StringComparison.Ordinal);

        using var client = _gateway.ClientOf(text);
        Assert.Equal(HttpStatusCode.OK, (await client.PostAsync("/v1/chat/completions", AccessGateway.Chat())).StatusCode);
        var changed = await admin.PatchAsync($"/admin/keys/{id}", AccessGateway.Json("""{"disabled":true}"""));
        Assert.True((await changed.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("disabled").GetBoolean());
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.PostAsync("/v1/chat/completions", AccessGateway.Chat())).StatusCode);
        await admin.PatchAsync($"/admin/keys/{id}", AccessGateway.Json("""{"disabled":false}"""));
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/v1/models")).StatusCode);

        var wrong = await admin.PatchAsync($"/admin/keys/{id}", AccessGateway.Json("""{"weight":0,"colour":1}"""));
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        Assert.Contains("colour: unknown member", await wrong.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync($"/admin/keys/{id}")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.DeleteAsync($"/admin/keys/{id}")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("/v1/models")).StatusCode);
    }

    [Fact]
    public async Task Without_a_right_key_nothing_opens()
    {
        var (text, _) = await _gateway.CreateKeyAsync("""{"name":"app"}""");
        string?[] keys = [null, "sk-something", KeyText.Create(), text[..^1] + (text[^1] == 'A' ? 'B' : 'A'), AccessGateway.AdminKey];
        foreach (var key in keys)
        {
            using var client = _gateway.ClientOf(key);
            foreach (var path in new[] { "/v1/models", "/metrics", "/v1/nothing-here" })
            {
                using var refused = await client.GetAsync(path);
                await RefusedAsync(refused, HttpStatusCode.Unauthorized, "invalid_api_key");
                Assert.Equal("Bearer", refused.Headers.WwwAuthenticate.ToString());
            }

            await RefusedAsync(await client.PostAsync("/v1/chat/completions", AccessGateway.Chat()), HttpStatusCode.Unauthorized, "invalid_api_key");
        }

        using var both = _gateway.ClientOf(text);
        both.DefaultRequestHeaders.Add("x-api-key", KeyText.Create());
        await RefusedAsync(await both.GetAsync("/v1/models"), HttpStatusCode.Unauthorized, "invalid_api_key");
        using var anthropic = _gateway.ClientOf(null);
        anthropic.DefaultRequestHeaders.Add("x-api-key", text);
        Assert.Equal(HttpStatusCode.OK, (await anthropic.GetAsync("/v1/models")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await _gateway.Client.GetAsync("/health")).StatusCode);
    }

    [Fact]
    public async Task Each_endpoint_opens_to_its_scope_alone()
    {
        (string Method, string Path, Grants Opener)[] rows =
        [
            ("POST", "/v1/chat/completions", Grants.Chat), ("POST", "/v1/completions", Grants.Completions), ("POST", "/v1/embeddings", Grants.Embeddings),
            ("POST", "/v1/rerank", Grants.Rerank), ("POST", "/v1/responses", Grants.Responses), ("POST", "/v1/messages", Grants.Messages),
            ("POST", "/tokenize", Grants.Tokenize), ("GET", "/v1/models", Grants.Models), ("GET", "/v1/models/m", Grants.Models),
            ("GET", "/metrics", Grants.Metrics), ("GET", "/admin/keys", Grants.Admin), ("GET", "/ADMIN/keys/", Grants.Admin), ("POST", "/V1/Chat/Completions", Grants.Chat),
        ];
        foreach (var grant in Enum.GetValues<Grants>().Where(grant => grant is not Grants.None and not Grants.Inference))
        {
            var (text, _) = await _gateway.CreateKeyAsync($$"""{"name":"one","scopes":["{{KeyFields.WordOf(grant)}}"]}""");
            using var client = _gateway.ClientOf(text);
            foreach (var (method, path, opener) in rows)
            {
                using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = method == "POST" ? AccessGateway.Chat() : null };
                using var response = await client.SendAsync(request);
                if (opener == grant) Assert.True(response.StatusCode is not HttpStatusCode.Forbidden and not HttpStatusCode.Unauthorized, $"{grant} {path} {response.StatusCode}");
                else await RefusedAsync(response, HttpStatusCode.Forbidden, "insufficient_scope");
            }
        }
    }

    [Fact]
    public async Task A_key_sees_and_uses_its_models_alone()
    {
        var (text, _) = await _gateway.CreateKeyAsync("""{"name":"one","models":["oth*"]}""");
        using var client = _gateway.ClientOf(text);
        var models = await client.GetFromJsonAsync<JsonElement>("/v1/models");
        Assert.Equal(["other"], models.GetProperty("data").EnumerateArray().Select(model => model.GetProperty("id").GetString()));
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync("/v1/models/m")).StatusCode);
        await RefusedAsync(await client.PostAsync("/v1/chat/completions", AccessGateway.Chat()), HttpStatusCode.Forbidden, "model_not_allowed");
        foreach (var model in new[] { "m ", "../m", "other/../m", "m\\u0000" })
        {
            var body = AccessGateway.Json($$"""{"model":"{{model}}","messages":[{"role":"user","content":"x"}]}""");
            await RefusedAsync(await client.PostAsync("/v1/chat/completions", body), model.StartsWith("oth", StringComparison.Ordinal) ? HttpStatusCode.NotFound : HttpStatusCode.Forbidden, null);
        }

        // Routing by anything but the body's model is not a thing.
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions?model=m") { Content = AccessGateway.Json("""{"model":"other","messages":[{"role":"user","content":"tokens=1"}],"version":"x","x_model":"m"}""") };
        request.Headers.Add("x-model", "m");
        Assert.Equal(HttpStatusCode.OK, (await client.SendAsync(request)).StatusCode);
    }

    [Fact]
    public async Task Sixty_four_clients_get_exactly_the_requests_of_the_limit()
    {
        var (text, id) = await _gateway.CreateKeyAsync("""{"name":"limited","limits":{"requests_per_minute":20}}""");
        using var client = _gateway.ClientOf(text);
        var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => client.PostAsync("/v1/chat/completions", AccessGateway.Chat("tokens=2", stream: i % 2 == 0))));
        Assert.Equal(20, answers.Count(answer => answer.StatusCode == HttpStatusCode.OK));
        var refused = answers.First(answer => answer.StatusCode != HttpStatusCode.OK);
        await RefusedAsync(refused, HttpStatusCode.TooManyRequests, "rate_limit_exceeded");
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 30, 61);
        Assert.Equal("20", refused.Headers.GetValues("x-ratelimit-limit-requests").Single());
        Assert.Equal("0", refused.Headers.GetValues("x-ratelimit-remaining-requests").Single());
        var wait = double.Parse(refused.Headers.GetValues("retry-after-ms").Single(), System.Globalization.CultureInfo.InvariantCulture) / 1000;
        Assert.InRange(refused.Headers.RetryAfter.Delta.Value.TotalSeconds, wait, wait + 1);
        Assert.Equal(20, (await _gateway.UsageAsync(id)).GetProperty("requests_this_minute").GetInt32());
    }

    [Fact]
    public async Task Usage_is_what_the_answer_says_and_a_failed_answer_costs_nothing()
    {
        var (text, id) = await _gateway.CreateKeyAsync("""{"name":"metered","limits":{"tokens_per_day":1000,"tokens_per_minute":1000,"concurrency":1}}""");
        using var client = _gateway.ClientOf(text);
        for (var i = 0; i < 5; i++) Assert.Equal(HttpStatusCode.OK, (await client.PostAsync("/v1/chat/completions", AccessGateway.Chat("tokens=4"))).StatusCode);
        var used = await _gateway.UsageAsync(id);
        Assert.Equal((5 * 7, 0), (used.GetProperty("tokens_today").GetInt32(), used.GetProperty("running").GetInt32()));

        // Streams of the fake worker say no usage: their events are counted; one after the other, so the place of each is free once it has ended.
        for (var i = 0; i < 5; i++) Assert.EndsWith("data: [DONE]\n\n", await (await client.PostAsync("/v1/chat/completions", AccessGateway.Chat("tokens=4", stream: true))).Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var counted = (await _gateway.UsageAsync(id)).GetProperty("tokens_today").GetInt32() - 35;
        Assert.InRange(counted, 5 * 5, 5 * 30);

        var failed = await client.PostAsync("/v1/embeddings", AccessGateway.Chat());
        Assert.False(failed.IsSuccessStatusCode);
        Assert.Equal(35 + counted, (await _gateway.UsageAsync(id)).GetProperty("tokens_today").GetInt32());

        var large = await client.PostAsync("/v1/chat/completions", AccessGateway.Chat(maxTokens: 5000));
        await RefusedAsync(large, HttpStatusCode.TooManyRequests, null);
        Assert.Equal("false", large.Headers.GetValues("x-should-retry").Single());
        Assert.Null(large.Headers.RetryAfter);
    }

    [Fact]
    public async Task No_more_at_a_time_than_the_limit_and_places_come_back_when_clients_leave()
    {
        var (text, id) = await _gateway.CreateKeyAsync("""{"name":"narrow","limits":{"concurrency":2}}""");
        using var client = _gateway.ClientOf(text);
        using var leaving = new CancellationTokenSource();
        var slow = Enumerable.Range(0, 2).Select(_ => client.SendAsync(
            new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = AccessGateway.Chat("tokens=100000 delay=20", stream: true) }, HttpCompletionOption.ResponseHeadersRead, leaving.Token)).ToArray();
        var answers = await Task.WhenAll(slow);
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.OK, answer.StatusCode));
        await RefusedAsync(await client.PostAsync("/v1/chat/completions", AccessGateway.Chat()), HttpStatusCode.TooManyRequests, "concurrency_limit_exceeded");
        foreach (var answer in answers) answer.Dispose();
        await leaving.CancelAsync();
        await UntilAsync(async () => (await _gateway.UsageAsync(id)).GetProperty("running").GetInt32() == 0);
        Assert.Equal(HttpStatusCode.OK, (await client.PostAsync("/v1/chat/completions", AccessGateway.Chat())).StatusCode);
    }

    [Fact]
    public async Task No_key_is_in_logs_or_files()
    {
        var (text, _) = await _gateway.CreateKeyAsync("""{"name":"secret","limits":{"requests_per_minute":2}}""");
        var wrong = KeyText.Create();
        foreach (var key in new[] { text, text, text, wrong, "sk-canary-" + wrong })
        {
            using var client = _gateway.ClientOf(key);
            await client.PostAsync("/v1/chat/completions", AccessGateway.Chat());
            await client.PostAsync("/v1/chat/completions", AccessGateway.Json("{ broken"));
            await client.GetAsync("/admin/keys");
        }

        await _gateway.KillAsync();
        var files = Directory.EnumerateFiles(Path.Combine(_folder.FullName, "state"), "*", SearchOption.AllDirectories).Select(File.ReadAllBytes).Select(bytes => System.Text.Encoding.Latin1.GetString(bytes));
        Assert.All(files.Append(_gateway.Log), content =>
        {
            Assert.DoesNotContain(text[^43..], content, StringComparison.Ordinal);
            Assert.DoesNotContain(wrong[^43..], content, StringComparison.Ordinal);
            Assert.DoesNotContain(AccessGateway.AdminKey, content, StringComparison.Ordinal);
        });
    }

    private static async Task RefusedAsync(HttpResponseMessage response, HttpStatusCode status, string? code)
    {
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == status, $"{response.RequestMessage?.RequestUri} {response.StatusCode} {text}");
        var error = JsonDocument.Parse(text).RootElement.GetProperty("error");
        Assert.False(string.IsNullOrEmpty(error.GetProperty("message").GetString()));
        Assert.False(string.IsNullOrEmpty(error.GetProperty("type").GetString()));
        if (code is not null) Assert.Equal(code, error.GetProperty("code").GetString());
    }

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!await holds()) await timer.WaitForNextTickAsync(limit.Token);
    }
}
