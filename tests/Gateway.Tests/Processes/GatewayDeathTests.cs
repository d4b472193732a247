using System.Text.Json;

namespace FinerCut.Tests.Processes;

public class GatewayDeathTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Killed_in_the_middle_of_a_job_it_leaves_no_orphan_and_goes_on_where_it_was()
    {
        await using var gateway = GatewayProcess.Prepare();
        gateway.Script("""{"pruneSteps":30,"pruneStepMs":40}""");
        await gateway.RunAsync();
        var id = await gateway.OrderJobAsync();
        await Eventually.BeAsync(async () => Step(await gateway.GetAsync($"/admin/jobs/{id}")) >= 5, () => gateway.Log);
        var worker = Assert.Single(await gateway.WorkersAsync()).GetProperty("process_id").GetInt32();
        var pruner = int.Parse(File.ReadAllText(Path.Combine(gateway.Folder, "state/jobs", id, "worker.pid")).Split(' ')[0]);
        var before = await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}");
        gateway.Kill();
        await Eventually.BeAsync(() => !Eventually.IsAlive(worker) && !Eventually.IsAlive(pruner), seconds: 90);

        await gateway.RunAsync();
        Assert.Equal(before.GetRawText(), (await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}")).GetRawText());
        var job = await gateway.JobEndAsync(id);
        Assert.True(job.GetProperty("state").GetString() == "passed", $"{job.GetRawText()}\n{gateway.Log}");
        Assert.InRange(job.GetProperty("result").GetProperty("evaluations").GetInt32(), 1, 25);
        Assert.Equal(0, job.GetProperty("deaths").GetInt32());
        Assert.False(Directory.Exists(Path.Combine(gateway.Folder, "state/jobs", id)));

        // And once more with a lean version active: it is what serves after the restart.
        before = await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}");
        Assert.Equal("lean-1", before.GetProperty("active").GetString());
        gateway.Kill();
        await gateway.RunAsync();
        Assert.Equal("lean-1", (await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}")).GetProperty("active").GetString());
        Assert.Equal("lean-1", (await ChatStream.RunAsync(gateway.Client, "tokens=2")).Versions[0]);
        Assert.Equal(0, await gateway.StopAsync());
    }

    /// <summary>kill -9 at random moments of jobs, swaps and trials, KILL_POINTS times (20 by hand, few in CI): nothing that was told is lost.</summary>
    [Fact]
    public async Task Killed_at_any_moment_of_job_and_rollout_it_comes_back_to_the_state_that_it_told()
    {
        const int Seed = 20261124;
        var points = int.Parse(Environment.GetEnvironmentVariable("KILL_POINTS") ?? "3", System.Globalization.CultureInfo.InvariantCulture);
        output.WriteLine($"seed {Seed}, {points} points");
        var random = new Random(Seed);
        await using var gateway = GatewayProcess.Prepare(settings => settings["Models"]![GatewayProcess.Model]!["Rollout"] =
            new System.Text.Json.Nodes.JsonObject { ["Mode"] = "Canary", ["CanaryWeight"] = 0.5, ["ShadowShare"] = 0.5, ["ShadowSamples"] = 1, ["KeepVersions"] = 2 });
        gateway.Script("""{"pruneSteps":10,"pruneStepMs":30,"loadMs":100}""");
        await gateway.RunAsync();
        for (var point = 1; point <= points; point++)
        {
            var job = await gateway.OrderJobAsync();
            await Task.Delay(random.Next(1500));
            if (random.Next(2) == 0) _ = gateway.PromoteAsync($"lean-{point}").ContinueWith(_ => { }, TaskScheduler.Default);
            await Task.Delay(random.Next(300));
            var before = await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}");
            var workers = (await gateway.WorkersAsync()).Where(worker => worker.TryGetProperty("process_id", out _)).Select(worker => worker.GetProperty("process_id").GetInt32()).ToArray();
            gateway.Kill();
            await Eventually.BeAsync(() => workers.All(worker => !Eventually.IsAlive(worker)), seconds: 90);
            await gateway.RunAsync();
            var after = await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}");
            var told = before.GetProperty("history").EnumerateArray().Select(row => row.GetRawText()).ToArray();
            Assert.Equal(told, after.GetProperty("history").EnumerateArray().Take(told.Length).Select(row => row.GetRawText()));
            var ended = await gateway.JobEndAsync(job);
            Assert.True(ended.GetProperty("state").GetString() == "passed", $"point {point}: {ended.GetRawText()}\n{gateway.Log}");
            Assert.Null((await ChatStream.RunAsync(gateway.Client, $"point {point} tokens=2")).Problem);

            // Whatever is on trial is left, so that the next job begins from rest; then state and history agree.
            await gateway.SendAsync(HttpMethod.Post, $"/admin/models/{GatewayProcess.Model}/rollback");
            await Eventually.BeAsync(async () => await gateway.WorkersAsync() is [var only] && only.GetProperty("state").GetString() == "ready", () => gateway.Log);
            var rest = await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}");
            Assert.Single(rest.GetProperty("versions").EnumerateArray(), version => version.GetProperty("state").GetString() == "active");
            foreach (var version in rest.GetProperty("versions").EnumerateArray())
            {
                var last = rest.GetProperty("history").EnumerateArray().Last(row => row.GetProperty("version").GetString() == version.GetProperty("version").GetString());
                Assert.Equal(last.GetProperty("state").GetString(), version.GetProperty("state").GetString());
            }

            // Memory is given back when the process is gone, a moment after the worker is off the list.
            await Eventually.BeAsync(async () => (await gateway.GetAsync("/admin/memory")).GetProperty("entries").GetArrayLength() == 1, () => gateway.Log, seconds: 90);
        }
    }

    private static int Step(JsonElement job) => job.TryGetProperty("progress", out var progress) ? progress.GetProperty("step").GetInt32() : 0;
}
