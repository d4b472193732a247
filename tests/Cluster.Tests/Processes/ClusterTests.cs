using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using FinerCut.Gguf;
using FinerCut.Tests.Access;
using FinerCut.Tests.Processes;

namespace FinerCut.Tests.Cluster.Processes;

/// <summary>Several gateways as one product: processes, PostgreSQL, HTTP.</summary>
[Collection(PostgresCollection.Name)]
public class ClusterTests(PostgresServer postgres)
{
    /// <summary>What docs/cluster.md promises for a machine that dies.</summary>
    private static readonly TimeSpan Detection = TimeSpan.FromSeconds(15);

    [Fact]
    public async Task Chat_job_rollout_and_quotas_are_the_same_through_both_edges()
    {
        await using var machines = await ThreeMachines.StartAsync(postgres);
        var edges = new[] { machines.Edge, machines.Both };
        foreach (var edge in edges) Assert.Equal("full", Whole(await ChatStream.RunAsync(edge.Client, "tokens=3"), machines).Versions[0]);
        // The edge has no workers of its own.
        Assert.Empty(await machines.Edge.WorkersAsync());

        // A job on the machine that has the traffic; what it makes is active for everybody, and no stream notices but by its version.
        var streams = new ConcurrentBag<ChatStream>();
        using var enough = new CancellationTokenSource();
        var running = edges.Select(edge => Task.Run(async () =>
        {
            while (!enough.IsCancellationRequested) streams.Add(await ChatStream.RunAsync(edge.Client, "tokens=20 delay=3"));
        })).ToArray();
        var job = await machines.Both.JobEndAsync(await machines.Both.OrderJobAsync());
        Assert.True(job.GetProperty("state").GetString() == "passed", job + machines.Logs);
        foreach (var edge in edges)
        {
            Assert.Equal("lean-1-finercut", Whole(await ChatStream.RunAsync(edge.Client, "tokens=3"), machines).Versions[0]);
            Assert.Equal("lean-1-finercut", (await edge.GetAsync($"/admin/models/{GatewayProcess.Model}")).GetProperty("active").GetString());
        }

        // Back, ordered at the machine that neither owns nor runs the model.
        Assert.Equal(HttpStatusCode.OK, (await machines.Edge.SendAsync(HttpMethod.Post, $"/admin/models/{GatewayProcess.Model}/rollback")).Status);
        foreach (var edge in edges) Assert.Equal("full", Whole(await ChatStream.RunAsync(edge.Client, "tokens=3"), machines).Versions[0]);
        await enough.CancelAsync();
        await Task.WhenAll(running);
        Assert.Empty(streams.Where(stream => stream.Problem is not null || stream.Tokens != 20).Select(stream => stream.Problem ?? $"{stream.Tokens} tokens"));
        Assert.True(streams.Count > 4, $"only {streams.Count} streams");

        // One key, made at one edge, used at both at once: its limit.
        var (status, key) = await machines.Edge.SendAsync(HttpMethod.Post, "/admin/keys", """{"name":"shared","limits":{"requests_per_minute":25}}""");
        Assert.True(status is HttpStatusCode.OK or HttpStatusCode.Created, key.ToString());
        var clients = edges.Select(edge => new HttpClient
        {
            BaseAddress = edge.Client.BaseAddress, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", key.GetProperty("key").GetString()) },
        }).ToArray();
        // A key made elsewhere is known here at the first request with it.
        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(async i => (await ChatStream.RunAsync(clients[i % 2], "tokens=1")).Status));
        Assert.True(answers.All(answer => answer is HttpStatusCode.OK or HttpStatusCode.TooManyRequests), string.Join(", ", answers));
        // Never more; places leased in a second that passed meanwhile (at most an eighth of 25 at each edge) are void and count until their minute is over.
        Assert.InRange(answers.Count(answer => answer == HttpStatusCode.OK), 19, 25);
        foreach (var client in clients) client.Dispose();

        var view = await machines.Edge.GetAsync("/admin/cluster");
        Assert.Equal(["both", "edge", "host"], view.GetProperty("machines").EnumerateArray().Select(machine => machine.GetProperty("name").GetString()));
    }

    [Fact]
    public async Task A_host_that_is_killed_loses_its_own_streams_and_nothing_else()
    {
        await using var machines = await ThreeMachines.StartAsync(postgres, replicas: 2);
        await Eventually.BeAsync(async () => await ReadyHostsAsync(machines.Edge) == 2, () => machines.Logs, seconds: 60);
        var killed = Stopwatch.StartNew();
        var streams = new ConcurrentBag<(TimeSpan Began, ChatStream Stream)>();
        using var enough = new CancellationTokenSource();
        var running = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!enough.IsCancellationRequested)
            {
                var began = killed.Elapsed;
                streams.Add((began, await ChatStream.RunAsync(machines.Edge.Client, "tokens=10 delay=3")));
            }
        })).ToArray();
        await Eventually.BeAsync(() => streams.Count > 8, seconds: 60);
        killed.Restart();
        machines.Host.Kill();
        await Eventually.BeAsync(async () => await ReadyHostsAsync(machines.Edge) == 1, () => machines.Logs, seconds: 60);
        Assert.True(killed.Elapsed < Detection, $"gone after {killed.Elapsed.TotalSeconds:F1} s");
        var before = streams.Count;
        await Eventually.BeAsync(() => streams.Count > before + 8, seconds: 60);
        await enough.CancelAsync();
        await Task.WhenAll(running);
        // Streams that were being answered by it may break, with a typed event; whatever began afterwards is answered elsewhere, none is mixed.
        Assert.DoesNotContain(streams, stream => stream.Stream.Problem is "mixed" or "cut");
        Assert.True(streams.Count(stream => stream.Stream.Problem is not null) <= 4, string.Join(", ", streams.Select(stream => stream.Stream.Problem).OfType<string>()));
    }

    [Fact]
    public async Task A_job_whose_host_is_killed_ends_on_another_from_where_it_was()
    {
        await using var machines = await ThreeMachines.StartAsync(postgres);
        foreach (var machine in (GatewayProcess[])[machines.Both, machines.Host]) machine.Script("""{"pruneSteps":40,"pruneStepMs":200}""");
        var id = await machines.Both.OrderJobAsync();
        JsonElement job = default;
        // Runs where it was ordered, and everybody sees it.
        await Eventually.BeAsync(async () => (job = await machines.Edge.GetAsync($"/admin/jobs/{id}")).TryGetProperty("progress", out var progress) && progress.GetProperty("step").GetInt32() >= 8, () => machines.Logs, seconds: 60);
        Assert.Equal("both", job.GetProperty("host").GetString());
        machines.Both.Kill();
        await Eventually.BeAsync(async () => (job = await machines.Edge.GetAsync($"/admin/jobs/{id}")).GetProperty("has_ended").GetBoolean(), () => job + machines.Logs, seconds: 180);
        Assert.True(job.GetProperty("state").GetString() == "passed", job + machines.Logs);
        Assert.Equal("host", job.GetProperty("host").GetString());
        // The stand-in counts the steps of its last run: less than all is gone on with, not begun anew.
        Assert.InRange(job.GetProperty("result").GetProperty("evaluations").GetInt32(), 1, 33);
        Assert.Equal(40, job.GetProperty("result").GetProperty("removed").GetArrayLength());
        Assert.Equal("lean-1-finercut", Whole(await ChatStream.RunAsync(machines.Edge.Client, "tokens=3"), machines).Versions[0]);
        Assert.Equal(HttpStatusCode.NotFound, (await machines.Edge.Admin.GetAsync("/admin/jobs/job-77")).StatusCode);
    }

    [Fact]
    public async Task A_host_without_the_models_file_fetches_it_and_the_lean_one_too()
    {
        await using var machines = await ThreeMachines.StartAsync(postgres, replicas: 2, hostHasFile: false);
        await Eventually.BeAsync(async () => await ReadyHostsAsync(machines.Edge) == 2, () => machines.Logs, seconds: 60);
        var fetched = Directory.GetFiles(Path.Combine(machines.Host.Folder, "state", "files"));
        Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(machines.Both.Folder, "tiny.gguf")), await File.ReadAllBytesAsync(Assert.Single(fetched)));
        await machines.Both.PassJobAsync();
        // The one that made the lean file goes; the other has it by now.
        await Eventually.BeAsync(async () => await ReadyHostsAsync(machines.Edge) == 2, () => machines.Logs, seconds: 60);
        machines.Both.Kill();
        await Eventually.BeAsync(async () => await ReadyHostsAsync(machines.Edge) == 1, () => machines.Logs, seconds: 60);
        Assert.Equal("lean-1-finercut", Whole(await ChatStream.RunAsync(machines.Edge.Client, "tokens=3"), machines).Versions[0]);
    }

    [Fact]
    public async Task A_split_model_travels_whole_to_a_host_that_has_none_of_its_files()
    {
        var database = await postgres.NewDatabaseAsync();
        await using var both = ThreeMachines.Prepare("both", "Both", database, replicas: 2);
        await using var host = ThreeMachines.Prepare("host", "Host", database, replicas: 2);
        foreach (var machine in (GatewayProcess[])[both, host])
        {
            File.Delete(Path.Combine(machine.Folder, "tiny.gguf"));
            var settings = Path.Combine(machine.Folder, "appsettings.json");
            await File.WriteAllTextAsync(settings, (await File.ReadAllTextAsync(settings)).Replace("tiny.gguf", "tiny-00001-of-00002.gguf", StringComparison.Ordinal));
        }

        var edit = new GgufEdit().Set(GgufKeys.Architecture, "fake");
        foreach (var name in (string[])["a", "b"]) edit.Add(GgufTensorPlan.Floats(name, [256], new float[256]));
        var shards = GgufSplitter.Write(edit, Path.Combine(both.Folder, "tiny"), maxBytes: 700);
        await both.RunAsync();
        await host.RunAsync(ready: false);
        await Eventually.BeAsync(async () => await ReadyHostsAsync(both) == 2, () => both.Log + host.Log, seconds: 60);
        var fetched = Directory.GetFiles(Path.Combine(host.Folder, "state", "files"), "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToArray();
        Assert.Equal(["model-00001-of-00002.gguf", "model-00002-of-00002.gguf"], fetched.Select(path => Path.GetFileName(path)));
        foreach (var (ours, theirs) in shards.Zip(fetched)) Assert.Equal(await File.ReadAllBytesAsync(ours.Path), await File.ReadAllBytesAsync(theirs));
    }

    [Fact]
    public async Task A_cluster_without_secret_or_certificates_is_refused_at_the_start()
    {
        await using var open = ThreeMachines.Prepare("open", "Both", "Host=127.0.0.1;Port=1", 1, cluster => cluster.Remove("Secret"));
        var (code, output) = await GatewayProcess.RunToEndAsync(open.Folder);
        Assert.Equal(FinerCut.Jobs.ExitCode.BadInput, code);
        Assert.Contains("Cluster:Secret", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_gateway_that_stands_alone_loads_no_Orleans_code()
    {
        await using var alone = await GatewayProcess.StartAsync();
        var loaded = await File.ReadAllTextAsync($"/proc/{alone.Id}/maps");
        Assert.Contains("finercut.dll", loaded, StringComparison.Ordinal);
        Assert.DoesNotContain("Orleans", loaded, StringComparison.Ordinal);
        Assert.DoesNotContain("FinerCut.Cluster", loaded, StringComparison.Ordinal);
        // The same look sees them where they are.
        await using var machine = ThreeMachines.Prepare("one", "Both", await postgres.NewDatabaseAsync(), 1);
        await machine.RunAsync();
        Assert.Contains("Orleans.Runtime.dll", await File.ReadAllTextAsync($"/proc/{machine.Id}/maps"), StringComparison.Ordinal);
    }

    private static Task<int> ReadyHostsAsync(GatewayProcess edge) => ThreeMachines.ReadyAsync(edge);

    private static ChatStream Whole(ChatStream stream, ThreeMachines machines)
    {
        Assert.True(stream.Problem is null, $"{stream.Problem}\n{machines.Logs}");
        return stream;
    }
}
