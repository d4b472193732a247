using FinerCut.Cluster.Jobs;
using FinerCut.Gateway.Pruning;
using FinerCut.Jobs;
using FinerCut.Tests.Processes;
using Orleans.Concurrency;

namespace FinerCut.Tests.Cluster.Jobs;

/// <summary>The one owner of a job, on silos with hosts that are fakes.</summary>
public sealed class JobGrainTests : IAsyncLifetime
{
    private readonly List<FakeWorkplace> _hosts = [];
    private TestSilos _silos = null!;

    public async ValueTask InitializeAsync() => _silos = await TestSilos.StartAsync(4);

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts) await host.DisposeAsync();
        await _silos.DisposeAsync();
    }

    [Fact]
    public async Task A_job_runs_on_one_host_and_its_end_is_on_the_list_and_its_files_are_gone()
    {
        var host = Host(1, "h1");
        var id = await OrderAsync(2);
        await Eventually.BeAsync(async () => (await JobAsync(0, id)).State == JobState.Passed, seconds: 30);
        Assert.Equal((id, 1, 0), Assert.Single(host.Begun));
        await Eventually.BeAsync(async () => (await Book(3).ReadAsync(0)).Notes is [var note] && JobText.Read(note.Json).State == JobState.Passed, seconds: 30);
        foreach (var file in (string[])[FakeWorkplace.Checkpoint, TrafficExport.CalibrationFile])
        {
            await Eventually.BeAsync(async () => await File(id, file).ReadAsync() is null, seconds: 10);
        }
    }

    [Fact]
    public async Task A_host_that_dies_is_replaced_and_the_next_goes_on_from_what_was_kept()
    {
        var dying = Host(3, "a-dies");
        dying.Gate = 4;
        var id = await OrderAsync(0);
        await Eventually.BeAsync(async () => await StepAsync(id) == 4, seconds: 30);
        var staying = Host(1, "b-stays");
        await _silos.KillAsync(_silos.All[3]);
        await Eventually.BeAsync(async () => (await JobAsync(0, id)).State == JobState.Passed, seconds: 60);
        Assert.Equal((id, 4), (Assert.Single(staying.Begun).Job, staying.Begun.Single().From));
        Assert.Equal("b-stays", (await JobAsync(0, id)).Host);
    }

    [Fact]
    public async Task A_job_whose_host_and_owner_die_together_is_brought_back_by_its_reminder()
    {
        // The host lives where the owner does: nobody who knows of the job is left but the database.
        var id = await OrderAsync(0, home: "h");
        var owner = await _silos.OwnerAsync(_silos.Grains(0).GetGrain<IJobGrain>(id));
        var at = Enumerable.Range(0, 4).First(i => _silos.All[i] == owner);
        var dying = Host(at, "h");
        dying.Gate = 3;
        await Eventually.BeAsync(async () => await StepAsync(id) == 3, seconds: 30);
        var staying = Host(Enumerable.Range(0, 4).First(i => i != at), "other");
        await _silos.KillAsync(owner);
        // Nobody asks for the job or the list: only the reminder can bring it back.
        await Eventually.BeAsync(() => staying.Begun.Any(begun => begun is { Attempt: > 1, From: 3 }), seconds: 60);
    }

    [Fact]
    public async Task A_host_that_was_given_up_and_comes_back_is_not_heard()
    {
        var (slow, next) = (Host(1, "a-slow"), Host(2, "b-next"));
        slow.Gate = 2;
        var id = await OrderAsync(0, home: "a-slow");
        await Eventually.BeAsync(async () => await StepAsync(id) == 2, seconds: 30);
        var owner = _silos.Grains(0).GetGrain<IJobGrain>(id);
        // As a host does that leaves, while its run goes on all the same.
        var running = JobText.Write(await JobAsync(0, id));
        slow.Refuses = "host_busy";
        Assert.True((await owner.TellAsync(new JobNews { Attempt = 1, Json = running, Full = running, Left = true })).Yours);
        await Eventually.BeAsync(() => next.Begun.Any(begun => begun is { Attempt: > 1, From: 2 }), seconds: 30);
        await Eventually.BeAsync(() => slow.Lost.Contains(1), seconds: 30);
        // What the first says of the end does not count, and its files do not replace the second's.
        var ended = JobText.Write((await JobAsync(0, id)) with { State = JobState.Failed });
        Assert.False((await owner.TellAsync(new JobNews { Attempt = 1, Json = ended, Full = ended })).Yours);
        await Eventually.BeAsync(async () => (await JobAsync(0, id)).State == JobState.Passed, seconds: 30);
    }

    [Fact]
    public async Task Jobs_of_a_model_begin_in_the_order_in_which_they_came()
    {
        var host = Host(1, "h1");
        host.Gate = 1;
        var ids = new List<string>();
        for (var i = 0; i < 4; i++) ids.Add(await OrderAsync(i));
        await Eventually.BeAsync(() => host.Begun.Count == 1, seconds: 30);
        host.Gate = FakeWorkplace.Steps;
        await Eventually.BeAsync(() => host.Begun.Count == 4, seconds: 60);
        Assert.Equal(ids, host.Begun.Select(begun => begun.Job));
    }

    [Fact]
    public async Task A_job_is_cancelled_while_it_waits_and_while_it_runs()
    {
        var waiting = await OrderAsync(0);
        Assert.Null(await _silos.Grains(1).GetGrain<IJobGrain>(waiting).CancelAsync());
        Assert.Equal(JobState.Cancelled, (await JobAsync(0, waiting)).State);
        Assert.Equal("job_ended", (await _silos.Grains(1).GetGrain<IJobGrain>(waiting).CancelAsync())!.Code);
        var host = Host(1, "h1");
        host.Gate = 1;
        var running = await OrderAsync(0);
        await Eventually.BeAsync(() => !host.Begun.IsEmpty, seconds: 30);
        Assert.Null(await _silos.Grains(2).GetGrain<IJobGrain>(running).CancelAsync());
        await Eventually.BeAsync(async () => (await JobAsync(0, running)).State == JobState.Cancelled, seconds: 30);
        await Eventually.BeAsync(() => host.Cancelled.Contains(running), seconds: 30);
        Assert.Equal("job_not_found", (await _silos.Grains(2).GetGrain<IJobGrain>("job-999").CancelAsync())!.Code);
    }

    [Fact]
    public async Task A_job_that_no_host_can_do_fails_with_the_reason_and_one_that_is_only_busy_waits()
    {
        var host = Host(1, "h1");
        host.Refuses = "host_busy";
        var waits = await OrderAsync(0);
        await Task.WhenAny(Task.Delay(1000));
        Assert.Equal(JobState.Queued, (await JobAsync(0, waits)).State);
        host.Refuses = "insufficient_memory";
        await Eventually.BeAsync(async () => (await JobAsync(0, waits)) is { State: JobState.Failed, Error.Code: "insufficient_memory" }, seconds: 30);
    }

    private FakeWorkplace Host(int silo, string name)
    {
        var host = new FakeWorkplace(_silos, silo, name, "m");
        _hosts.Add(host);
        return host;
    }

    private async Task<string> OrderAsync(int silo, string? home = null)
    {
        var number = await Book(silo).NextAsync();
        var job = new JobModel
        {
            Id = $"job-{number}", Number = number, Model = "m", Version = $"lean-{number}", State = JobState.Queued, Order = new PruneOrder { Budget = new PruneBudget(3) },
            Traffic = new JobTraffic(1, 1), CreatedAt = DateTimeOffset.UnixEpoch,
        };
        await File(job.Id, TrafficExport.CalibrationFile).WriteAsync(0, "{}"u8.ToArray().AsImmutable());
        await _silos.Grains(silo).GetGrain<IJobGrain>(job.Id).OrderAsync(JobText.Write(job), home, [TrafficExport.CalibrationFile]);
        return job.Id;
    }

    private async Task<JobModel> JobAsync(int silo, string id) => JobText.Read((await _silos.Grains(silo).GetGrain<IJobGrain>(id).ReadAsync())!.Json);

    private async Task<int> StepAsync(string id) => await File(id, FakeWorkplace.Checkpoint).ReadAsync() is { } kept ? int.Parse(System.Text.Encoding.UTF8.GetString(kept)) : 0;

    private IJobBookGrain Book(int silo) => _silos.Grains(silo).GetGrain<IJobBookGrain>(JobBookGrain.Key);

    private IJobFileGrain File(string job, string path) => _silos.Grains(0).GetGrain<IJobFileGrain>(JobText.FileKey(job, path));
}
