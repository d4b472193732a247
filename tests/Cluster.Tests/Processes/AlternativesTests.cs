using System.Net;
using System.Text.Json;
using FinerCut.Tests.Access;
using FinerCut.Tests.Processes;

namespace FinerCut.Tests.Cluster.Processes;

/// <summary>What a cluster may have instead or besides: Redis, Orleans' dashboard.</summary>
[Collection(PostgresCollection.Name)]
public class AlternativesTests(PostgresServer postgres)
{
    [Fact]
    public async Task Members_states_and_reminders_are_kept_in_Redis_where_the_settings_say_so()
    {
        if (RedisServer.Program is not { } program)
        {
            Assert.Skip("There is no redis-server on the PATH: apt-get install -y redis-server");
            return;
        }

        await using var redis = await RedisServer.StartAsync(program);
        await using var machines = await ThreeMachines.StartAsync(postgres, cluster: section => section["Redis"] = redis.ConnectionString);
        foreach (var machine in (GatewayProcess[])[machines.Both, machines.Host]) machine.Script("""{"pruneSteps":30,"pruneStepMs":200}""");
        var id = await machines.Both.OrderJobAsync();
        await Eventually.BeAsync(async () => (await machines.Edge.GetAsync($"/admin/jobs/{id}")).TryGetProperty("progress", out var progress) && progress.GetProperty("step").GetInt32() >= 6, () => machines.Logs, seconds: 60);
        machines.Both.Kill();
        JsonElement job = default;
        await Eventually.BeAsync(async () => (job = await machines.Edge.GetAsync($"/admin/jobs/{id}")).GetProperty("has_ended").GetBoolean(), () => job + machines.Logs, seconds: 180);
        Assert.True(job.GetProperty("state").GetString() == "passed", job + machines.Logs);
        Assert.Equal("lean-1-finercut", (await ChatStream.RunAsync(machines.Edge.Client, "tokens=3")).Versions[0]);
    }

    [Fact]
    public async Task Orleans_dashboard_opens_for_who_has_the_admin_key_and_for_nobody_else()
    {
        await using var machine = ThreeMachines.Prepare("one", "Both", await postgres.NewDatabaseAsync(), 1, section => section["Dashboard"] = true);
        await machine.RunAsync();
        var path = (await machine.GetAsync("/admin/cluster")).GetProperty("dashboard").GetString()!;
        using var browser = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = machine.Client.BaseAddress };
        foreach (var page in (string[])["", "index.min.js", "DashboardCounters"]) Assert.Equal(HttpStatusCode.NotFound, (await browser.GetAsync(path + page)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await browser.PostAsync("/admin/cluster/dashboard", null)).StatusCode);

        using var opened = await machine.Admin.PostAsync("/admin/cluster/dashboard", null);
        Assert.Equal(HttpStatusCode.OK, opened.StatusCode);
        var cookie = opened.Headers.GetValues("Set-Cookie").Single();
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        browser.DefaultRequestHeaders.Add("Cookie", cookie.Split(';')[0]);
        Assert.Contains("<html", await browser.GetStringAsync(path), StringComparison.OrdinalIgnoreCase);
        await Eventually.BeAsync(async () => JsonElement.Parse(await browser.GetStringAsync(path + "DashboardCounters")).GetProperty("hosts").GetArrayLength() == 1, () => machine.Log, seconds: 30);
    }
}
