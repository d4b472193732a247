using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Recording;
using FinerCut.Gateway.Storage;
using FinerCut.Tests.Processes;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace FinerCut.Tests.Recording;

public class TrafficRecorderTests
{
    [Fact]
    public async Task What_is_past_its_time_goes_though_nothing_is_recorded_and_nobody_looks()
    {
        await using var prepared = GatewayProcess.Prepare(settings => settings["Models"]![GatewayProcess.Model]!["Recording"] = new JsonObject { ["TimeToLiveSeconds"] = 3600 });
        var config = GatewayConfigReader.Read(SettingsSources.Load(prepared.Folder, []), prepared.Folder);
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddDays(20_000));
        var database = RecordingStore.InMemory();
        using var store = new RecordingStore(database, RecordingVault.Open(database, new EphemeralDataProtectionProvider()), time);
        using var gateway = GatewayDatabase.InMemory();
        await using var recorder = new TrafficRecorder(new LiveConfig(config), new RecordingSwitches(config, gateway), store, NullLogger<TrafficRecorder>.Instance, time);
        store.Offer(GatewayProcess.Model, new Conversation(new byte[32], null, "prompt", "answer"), "key", config.Models[0].Recording);
        await Eventually.BeAsync(() =>
        {
            time.Advance(TimeSpan.FromMinutes(10));
            return store.Count(GatewayProcess.Model).Conversations == 0;
        }, seconds: 30);
        Assert.InRange(time.GetUtcNow() - DateTimeOffset.UnixEpoch.AddDays(20_000), TimeSpan.FromHours(1), TimeSpan.MaxValue);
    }

    [Fact]
    public async Task Keys_are_recorded_that_agreed_and_no_others()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        foreach (var agrees in (bool[])[false, true])
        {
            var (_, key) = await gateway.SendAsync(HttpMethod.Post, "/admin/keys", $$"""{"name":"app","recording":{{(agrees ? "true" : "false")}}}""");
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = ChatStream.Body($"question of one that agrees: {agrees} tokens=2") };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key.GetProperty("key").GetString());
            using var answer = await gateway.Client.SendAsync(request);
            Assert.True(answer.IsSuccessStatusCode);
        }

        // In turn: once the second is kept, the first would have been.
        await Eventually.BeAsync(async () => (await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}/recording")).GetProperty("counts").GetProperty("seen").GetInt32() > 0, () => gateway.Log);
        var kept = JsonElement.Parse(await gateway.Admin.GetStringAsync($"/admin/models/{GatewayProcess.Model}/recording/export"));
        Assert.Equal("question of one that agrees: True tokens=2", kept.GetProperty("messages")[0].GetProperty("content").GetString());
    }

    [Fact]
    public async Task What_is_kept_has_lost_what_the_settings_take_out()
    {
        await using var gateway = await GatewayProcess.StartAsync(settings => settings["Redaction"] = new JsonObject
        {
            ["Phone"] = false,
            ["Rules"] = new JsonObject { ["ticket"] = new JsonObject { ["Pattern"] = "T-[0-9]+" } },
        });
        Assert.Null((await ChatStream.RunAsync(gateway.Client, "jane.doe@example.com, +49 30 1234567, 4111 1111 1111 1111, sk-0123456789abcdef0123, T-4711 tokens=2")).Problem);
        await Eventually.BeAsync(async () => (await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}/recording")).GetProperty("counts").GetProperty("seen").GetInt32() > 0, () => gateway.Log);
        var kept = JsonElement.Parse(await gateway.Admin.GetStringAsync($"/admin/models/{GatewayProcess.Model}/recording/export"));
        Assert.Equal("[email], +49 30 1234567, [card], [key], [ticket] tokens=2", kept.GetProperty("messages")[0].GetProperty("content").GetString());
    }
}
