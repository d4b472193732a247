using System.Net;

namespace FinerCut.Tests.Processes;

public class JobTests
{
    [Fact]
    public async Task Jobs_are_ordered_followed_refused_retried_cancelled_and_leave_nothing_behind()
    {
        await using var gateway = await GatewayProcess.StartAsync();

        // Too little traffic.
        var (status, body) = await gateway.SendAsync(HttpMethod.Post, $"/admin/models/{GatewayProcess.Model}/prune", """{"budget":{"sublayers":3}}""");
        Assert.Equal((HttpStatusCode.Conflict, "too_few_samples"), (status, ChatStream.Code(body)));
        Assert.Contains("0 different conversations are recorded for tiny, 4 are needed", body.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);

        // Refused by the gate: nothing changes but the history.
        gateway.Script("""{"pruneOutcome":"refused"}""");
        var refused = await gateway.JobEndAsync(await gateway.OrderJobAsync("""{"budget":{"sublayers":3},"gate":{"max_mean_kl":0.25}}"""));
        Assert.Equal("refused", refused.GetProperty("state").GetString());
        Assert.Contains("mean_kl 0.1 [0.05, 0.9] breaks 0.25", refused.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        var model = await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}");
        Assert.Equal("full", model.GetProperty("active").GetString());
        Assert.Equal("refused", model.GetProperty("versions")[1].GetProperty("state").GetString());
        Assert.Equal(HttpStatusCode.Conflict, (await gateway.PromoteAsync("lean-1")).Status);

        // The Worker dies once: the job goes on from its checkpoint.
        gateway.Script("""{"pruneSteps":6,"pruneDieAt":4}""");
        var retried = await gateway.JobEndAsync(await gateway.OrderJobAsync("""{"budget":{"fraction":0.1},"promote":false}"""));
        Assert.Equal("passed", retried.GetProperty("state").GetString());
        Assert.Equal((1, 2), (retried.GetProperty("deaths").GetInt32(), retried.GetProperty("result").GetProperty("evaluations").GetInt32()));
        Assert.Equal("full", (await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}")).GetProperty("active").GetString());

        // Cancelled while it runs; its events tell the end and then end themselves.
        gateway.Script("""{"pruneSteps":100000,"pruneStepMs":20}""");
        var id = await gateway.OrderJobAsync();
        var events = gateway.Admin.GetStringAsync($"/admin/jobs/{id}/events");
        await Eventually.BeAsync(async () => (await gateway.GetAsync($"/admin/jobs/{id}")).TryGetProperty("progress", out _), () => gateway.Log);
        Assert.Equal(HttpStatusCode.Accepted, (await gateway.SendAsync(HttpMethod.Delete, $"/admin/jobs/{id}")).Status);
        Assert.Equal("cancelled", (await gateway.JobEndAsync(id)).GetProperty("state").GetString());
        var told = await events.WaitAsync(TimeSpan.FromMinutes(2));
        Assert.Contains("\"progress\":", told, StringComparison.Ordinal);
        Assert.Contains("\"state\":\"cancelled\"", told.Split("event: job").Last(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Conflict, (await gateway.SendAsync(HttpMethod.Delete, $"/admin/jobs/{id}")).Status);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(gateway.Folder, "state/jobs")));

        // One at a time, the oldest first.
        var first = await gateway.OrderJobAsync();
        var second = await gateway.OrderJobAsync();
        await Eventually.BeAsync(async () => (await gateway.GetAsync($"/admin/jobs/{first}")).GetProperty("state").GetString() == "running");
        Assert.Equal("queued", (await gateway.GetAsync($"/admin/jobs/{second}")).GetProperty("state").GetString());
        await gateway.SendAsync(HttpMethod.Delete, $"/admin/jobs/{second}");
        Assert.Equal("cancelled", (await gateway.GetAsync($"/admin/jobs/{second}")).GetProperty("state").GetString());
        await gateway.SendAsync(HttpMethod.Delete, $"/admin/jobs/{first}");
        await gateway.JobEndAsync(first);
    }

    [Fact]
    public async Task An_order_for_a_model_whose_file_is_gone_is_a_conflict_and_no_crash()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        await gateway.JobEndAsync(await gateway.OrderJobAsync());
        var file = Path.Combine(gateway.Folder, "tiny.gguf");
        foreach (var spoil in (Action[])[() => File.WriteAllText(file, "GGUF"), () => File.Delete(file)])
        {
            spoil();
            var (status, body) = await gateway.SendAsync(HttpMethod.Post, $"/admin/models/{GatewayProcess.Model}/prune", """{"budget":{"sublayers":3}}""");
            Assert.Equal((HttpStatusCode.Conflict, "model_file_unusable"), (status, ChatStream.Code(body)));
        }
    }

    [Fact]
    public async Task A_wrong_order_is_told_all_that_is_wrong_with_it()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        var (status, body) = await gateway.SendAsync(
            HttpMethod.Post, $"/admin/models/{GatewayProcess.Model}/prune", """{"budget":{"sublayers":0,"bytes":5},"serch":"paper","distance":"far","keep":["attn"],"gate":{"max_men_kl":1}}""");
        Assert.Equal(HttpStatusCode.BadRequest, status);
        var message = body.GetProperty("error").GetProperty("message").GetString()!;
        foreach (var part in (string[])["budget.sublayers = 0", "did you mean search?", "distance = \"far\"", "keep =", "did you mean gate.max_mean_kl?"])
        {
            Assert.Contains(part, message, StringComparison.Ordinal);
        }

        using var stranger = new HttpClient { BaseAddress = gateway.Client.BaseAddress };
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.GetAsync("/admin/jobs")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await gateway.Admin.GetAsync("/admin/jobs/job-99")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await gateway.SendAsync(HttpMethod.Post, "/admin/models/none/rollback")).Status);
    }

    [Fact]
    public async Task Recorded_text_is_in_its_store_only_and_a_purge_takes_it_out_of_there()
    {
        const string Canary = "xyzzy-canary-4711";
        await using var gateway = await GatewayProcess.StartAsync();
        for (var i = 0; i < 5; i++) Assert.Null((await ChatStream.RunAsync(gateway.Client, $"{Canary} {i} tokens=2")).Problem);
        await ChatStream.RunAsync(gateway.Client, $"{Canary} tokens=3 error=1");
        await Eventually.BeAsync(async () => (await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}/recording")).GetProperty("pending").GetInt32() == 0);
        var status = await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}/recording");
        Assert.Equal(5, status.GetProperty("counts").GetProperty("conversations").GetInt32());

        // Off: nothing more is recorded.
        await gateway.SendAsync(HttpMethod.Put, $"/admin/models/{GatewayProcess.Model}/recording", """{"enabled":false}""");
        Assert.Null((await ChatStream.RunAsync(gateway.Client, $"{Canary} off tokens=2")).Problem);
        Assert.Equal(5, (await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}/recording")).GetProperty("counts").GetProperty("seen").GetInt32());

        // Encrypted, it is in no file at all; an export has it.
        Assert.Empty(Holders());
        Assert.Equal(5, (await gateway.Admin.GetStringAsync($"/admin/models/{GatewayProcess.Model}/recording/export?key=loopback")).Split('\n').Count(line => line.Contains(Canary, StringComparison.Ordinal)));
        Assert.Equal("", await gateway.Admin.GetStringAsync($"/admin/models/{GatewayProcess.Model}/recording/export?before=2020-01-01"));
        Assert.Equal(HttpStatusCode.BadRequest, (await gateway.SendAsync(HttpMethod.Delete, $"/admin/models/{GatewayProcess.Model}/recording?kye=loopback")).Status);
        Assert.DoesNotContain(Canary, await gateway.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
        await gateway.OrderJobAsync();
        await gateway.JobEndAsync("job-1");
        var audit = await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}/recording/audit");
        Assert.Equal("job-1", audit.GetProperty("uses").EnumerateArray().Last().GetProperty("subject").GetString());
        Assert.DoesNotContain(Canary, audit.GetRawText(), StringComparison.Ordinal);
        Assert.Empty(Holders());
        Assert.DoesNotContain(Canary, gateway.Log, StringComparison.Ordinal);
        Assert.DoesNotContain(Canary, (await gateway.GetAsync("/admin/models")).GetRawText(), StringComparison.Ordinal);
        Assert.Equal(5, (await gateway.SendAsync(HttpMethod.Delete, $"/admin/models/{GatewayProcess.Model}/recording")).Body.GetProperty("purged").GetInt32());
        Assert.Empty(Holders());

        IEnumerable<string> Holders() => Directory.EnumerateFiles(Path.Combine(gateway.Folder, "state"), "*", SearchOption.AllDirectories)
            .Where(file => Path.GetFileName(file) != "lock" && Read(file).Contains(Canary, StringComparison.Ordinal)).Select(file => Path.GetFileName(file));

        static string Read(string file)
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(stream, System.Text.Encoding.Latin1);
            return reader.ReadToEnd();
        }
    }
}
