using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;

namespace FinerCut.Tests.Processes;

public class ChaosTests(ITestOutputHelper output)
{
    /// <summary>Two dozen acts; with SOAK_MINUTES as many as fit into so long. SOAK_SEED sets another seed.</summary>
    [Fact]
    public async Task Swaps_rollbacks_killed_and_stopped_workers_reloads_and_jobs_at_random_leave_every_request_accounted_for()
    {
        var seed = int.Parse(Environment.GetEnvironmentVariable("SOAK_SEED") ?? "20261123", CultureInfo.InvariantCulture);
        var minutes = double.Parse(Environment.GetEnvironmentVariable("SOAK_MINUTES") ?? "0", CultureInfo.InvariantCulture);
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var gateway = await GatewayProcess.StartAsync(settings =>
        {
            settings["Worker"]!["Restart"]!["BreakerDeaths"] = 1000;
            settings["Worker"]!["LivenessIntervalSeconds"] = 0.2;
            settings["Worker"]!["LivenessTimeoutSeconds"] = 2;
        });
        await gateway.PassJobAsync();
        gateway.Script("""{"pruneSteps":1000,"pruneStepMs":10}""");

        using var enough = new CancellationTokenSource();
        var all = new ConcurrentBag<ChatStream>();
        var streams = Enumerable.Range(0, 8).Select(number => Task.Run(async () =>
        {
            while (!enough.IsCancellationRequested) all.Add(await ChatStream.RunAsync(gateway.Client, $"stream {number} tokens=10 delay=2"));
        })).ToArray();
        var settings = Path.Combine(gateway.Folder, "appsettings.json");
        var good = await File.ReadAllTextAsync(settings);
        var kills = 0;
        var seen = new HashSet<int>();
        var jobs = new List<string>();
        var began = Stopwatch.GetTimestamp();
        for (var act = 0; act < 24 || Stopwatch.GetElapsedTime(began).TotalMinutes < minutes; act++)
        {
            var before = all.Count;
            switch (random.Next(7))
            {
                case 0 or 1:
                    await gateway.PromoteAsync(random.Next(2) == 0 ? "full" : "lean-1");
                    break;
                case 2:
                    await gateway.SendAsync(HttpMethod.Post, $"/admin/models/{GatewayProcess.Model}/rollback");
                    break;
                case 3 or 6:
                    var workers = await gateway.WorkersAsync();
                    if (workers.Count > 0 && workers[random.Next(workers.Count)].TryGetProperty("process_id", out var id) && Eventually.IsAlive(id.GetInt32()))
                    {
                        // SIGSTOP in one of three: noticed by its silence, and killed by the gateway.
                        using var kill = Process.Start("kill", [random.Next(3) == 0 ? "-STOP" : "-KILL", $"{id.GetInt32()}"]);
                        await kill.WaitForExitAsync();
                        kills++;
                    }

                    break;
                case 4:
                    // Broken every other time: the last good settings hold.
                    await File.WriteAllTextAsync(settings, random.Next(2) == 0 ? "{ broken" : good.Replace("\"Port\":0", $"\"Port\":0}},\"Forwarding\":{{\"MaxBodyBytes\":{100_000 + act}", StringComparison.Ordinal));
                    Assert.True((await gateway.SendAsync(HttpMethod.Post, "/admin/config/reload")).Status is HttpStatusCode.OK or HttpStatusCode.UnprocessableEntity);
                    break;
                default:
                    if (jobs.Count > 0) await gateway.SendAsync(HttpMethod.Delete, $"/admin/jobs/{jobs[^1]}");
                    var (status, job) = await gateway.SendAsync(HttpMethod.Post, $"/admin/models/{GatewayProcess.Model}/prune", """{"budget":{"sublayers":3}}""");
                    Assert.Equal(HttpStatusCode.Accepted, status);
                    jobs.Add(job.GetProperty("id").GetString()!);
                    break;
            }

            await Eventually.BeAsync(() => all.Count > before + 2, () => gateway.Log);
            foreach (var worker in await gateway.WorkersAsync())
            {
                if (worker.TryGetProperty("process_id", out var process)) seen.Add(process.GetInt32());
            }
        }

        await enough.CancelAsync();
        await Task.WhenAll(streams);
        foreach (var job in jobs) await gateway.SendAsync(HttpMethod.Delete, $"/admin/jobs/{job}");
        foreach (var job in jobs) await gateway.JobEndAsync(job);

        // A killed worker is to blame for whatever did not end well, and that ended with a typed error.
        var broken = all.Where(outcome => outcome.Problem is not null).ToList();
        output.WriteLine($"{all.Count} streams, {kills} kills and stops, {broken.Count} ended by them");
        Assert.All(broken, outcome => Assert.True(outcome.Error is "worker_died" or "worker_died_twice" or "worker_unreachable" or "model_loading", outcome.Problem));
        Assert.InRange(broken.Count, 0, kills * 8);
        Assert.All(all, outcome => Assert.InRange(outcome.Versions.Distinct().Count(), outcome.Status == HttpStatusCode.OK ? 1 : 0, 1));

        // One worker, one active version, and a history that tells the same.
        await Eventually.BeAsync(async () => await gateway.WorkersAsync() is [var only] && only.GetProperty("state").GetString() == "ready", () => gateway.Log);
        var model = await gateway.GetAsync($"/admin/models/{GatewayProcess.Model}");
        foreach (var version in model.GetProperty("versions").EnumerateArray())
        {
            var told = model.GetProperty("history").EnumerateArray().Last(row => Same(row, version));
            Assert.Equal(told.GetProperty("state").GetString(), version.GetProperty("state").GetString());
        }

        Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=2")).Problem);

        // The ledger holds that worker and nothing else, and of all the others no process is left.
        await Eventually.BeAsync(async () => (await gateway.GetAsync("/admin/memory")).GetProperty("entries").GetArrayLength() == 1, () => gateway.Log, seconds: 90);
        var last = Assert.Single(await gateway.WorkersAsync()).GetProperty("process_id").GetInt32();
        await Eventually.BeAsync(() => seen.All(process => process == last || !Eventually.IsAlive(process)), () => gateway.Log, seconds: 90);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(gateway.Folder, "state/jobs")));
    }

    private static bool Same(JsonElement row, JsonElement version) => row.GetProperty("version").GetString() == version.GetProperty("version").GetString();
}
