using System.Text.Json;

namespace FinerCut.Tests.Processes;

public class GatewayDeathTests
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
        await Eventually.BeAsync(() => !Eventually.IsAlive(worker) && !Eventually.IsAlive(pruner), seconds: 20);

        await gateway.RunAsync();
        Assert.Equal(before.GetRawText(), (await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}")).GetRawText());
        var job = await gateway.JobEndAsync(id);
        Assert.Equal("passed", job.GetProperty("state").GetString());
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

    private static int Step(JsonElement job) => job.TryGetProperty("progress", out var progress) ? progress.GetProperty("step").GetInt32() : 0;
}
