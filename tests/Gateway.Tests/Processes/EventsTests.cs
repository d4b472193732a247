using System.Text.Json;

namespace FinerCut.Tests.Processes;

/// <summary>GET /admin/events: what happens, as it happens.</summary>
public class EventsTests
{
    [Fact]
    public async Task Workers_versions_jobs_and_settings_are_told_as_they_change_and_a_listener_holds_up_no_end()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        using var response = await gateway.Admin.GetAsync("/admin/events", HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());

        // What is there comes first.
        Assert.Equal("tiny/full", (await NextAsync("worker", _ => true)).GetProperty("worker").GetString());
        await gateway.PassJobAsync();
        await NextAsync("job", job => job.GetProperty("state").GetString() == "running");
        await NextAsync("version", version => version.GetProperty("version").GetString() == "lean-1" && version.GetProperty("state").GetString() == "staging");
        await NextAsync("worker", worker => worker.GetProperty("worker").GetString() == "tiny/lean-1" && worker.GetProperty("state").GetString() == "ready");
        await NextAsync("version", version => version.GetProperty("version").GetString() == "lean-1" && version.GetProperty("state").GetString() == "active");
        await NextAsync("job", job => job.GetProperty("state").GetString() == "passed");
        await File.WriteAllTextAsync(Path.Combine(gateway.Folder, "appsettings.json"), "{ broken");
        Assert.NotEmpty((await NextAsync("config", _ => true)).GetProperty("errors").EnumerateArray());
        Assert.Equal(0, await gateway.StopAsync().WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Null(await RestAsync());

        async Task<JsonElement> NextAsync(string kind, Func<JsonElement, bool> wanted)
        {
            using var late = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            while (await reader.ReadLineAsync(late.Token) is { } line)
            {
                if (line != $"event: {kind}") continue;
                var data = JsonElement.Parse((await reader.ReadLineAsync(late.Token))!["data: ".Length..]);
                if (wanted(data)) return data;
            }

            throw new InvalidOperationException($"The events ended before one of {kind} came.\n{gateway.Log}");
        }

        async Task<string?> RestAsync()
        {
            using var late = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            while (await reader.ReadLineAsync(late.Token) is not null)
            {
            }

            return null;
        }
    }
}
