using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Hosts;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Rollout;
using FinerCut.Tests.Processes;
using Orleans.TestingHost;

namespace FinerCut.Tests.Cluster.Models;

/// <summary>The one owner of a model, on silos with hosts and edges that are fakes.</summary>
public sealed class ModelGrainTests : IAsyncLifetime
{
    private readonly List<IAsyncDisposable> _machines = [];
    private TestSilos _silos = null!;

    public async ValueTask InitializeAsync() => _silos = await TestSilos.StartAsync(3);

    public async ValueTask DisposeAsync()
    {
        foreach (var machine in _machines) await machine.DisposeAsync();
        await _silos.DisposeAsync();
    }

    [Fact]
    public async Task A_swap_is_told_to_every_edge_drains_at_every_edge_and_then_ends_the_old_worker()
    {
        var (host, edges) = (Host(0, "h0"), new[] { Edge(1, "e1"), Edge(2, "e2") });
        await Eventually.BeAsync(() => edges.All(edge => edge.Doors is ["http://h0/full"]), seconds: 30);
        var model = await LeanAsync();
        edges[1].InFlight["full"] = 3;
        Assert.Null(await model.PromoteAsync("lean-1", isRollback: false, "By the test."));
        // It holds everywhere when the promotion is answered.
        Assert.All(edges, edge => Assert.Equal(("lean-1", "http://h0/lean-1"), (edge.Table!.Active, Assert.Single(edge.Doors))));
        Assert.Equal(VersionState.Draining, (await DocumentAsync(model)).Rollout.Versions["full"].State);
        Assert.Empty(host.Stopped);
        edges[1].InFlight["full"] = 0;
        await Eventually.BeAsync(async () => (await DocumentAsync(model)).Rollout.Versions["full"].State == VersionState.Retired, seconds: 30);
        Assert.Equal("full", Assert.Single(host.Stopped));
        Assert.All(edges, edge => Assert.Equal(edge.Tables.Select(table => table.Number).Distinct().Order(), edge.Tables.Select(table => table.Number)));

        Assert.Null(await model.RollBackAsync("By the test."));
        Assert.All(edges, edge => Assert.Equal("full", edge.Table!.Active));
        await Eventually.BeAsync(async () => (await DocumentAsync(model)).Rollout.Versions["lean-1"].State == VersionState.RolledBack, seconds: 30);
    }

    [Fact]
    public async Task A_version_that_does_not_come_up_changes_nothing()
    {
        var (host, edge) = (Host(0, "h0"), Edge(1, "e1"));
        await Eventually.BeAsync(() => edge.Doors is ["http://h0/full"], seconds: 30);
        var model = await LeanAsync();
        host.Broken["lean-1"] = 0;
        var refusal = await model.PromoteAsync("lean-1", isRollback: false, "By the test.");
        Assert.Equal("staging_failed", refusal!.Code);
        Assert.Equal(("full", VersionState.Failed), ((await DocumentAsync(model)).Rollout.Active!.Id, (await DocumentAsync(model)).Rollout.Versions["lean-1"].State));
        Assert.Equal("version_not_found", (await model.PromoteAsync("lean-9", isRollback: false, "By the test."))!.Code);
        Assert.DoesNotContain(edge.Tables, table => table.Active != "full");
    }

    [Fact]
    public async Task Promotions_from_everywhere_at_once_make_one_history_with_one_active_version()
    {
        var (host, edge) = (Host(0, "h0", limit: 4000), Edge(1, "e1"));
        await Eventually.BeAsync(() => edge.Doors is ["http://h0/full"], seconds: 30);
        await LeanAsync("lean-1");
        await LeanAsync("lean-2");
        await Task.WhenAll(Enumerable.Range(0, 12).Select(i => _silos.Grains(i % 3).GetGrain<IModelGrain>("m").PromoteAsync($"lean-{1 + (i % 2)}", isRollback: false, "By the test.")));
        var document = await DocumentAsync(_silos.Grains(0).GetGrain<IModelGrain>("m"));
        var active = "full";
        foreach (var transition in document.History)
        {
            // Every swap is the old one leaving and the new one taking its place, never anything in between.
            if (transition.Event == "Replaced") Assert.Equal(active, transition.VersionId);
            if (transition.State == VersionState.Active && transition.Was is not null) active = transition.VersionId;
        }

        Assert.Equal(active, document.Rollout.Active!.Id);
        Assert.Equal(active, edge.Table!.Active);
        await Eventually.BeAsync(() => host.Versions.SequenceEqual([active]), seconds: 30);
    }

    [Fact]
    public async Task A_trial_gets_its_weight_and_can_be_ended()
    {
        var (_, edge) = (Host(0, "h0"), Edge(1, "e1"));
        await Eventually.BeAsync(() => edge.Doors is ["http://h0/full"], seconds: 30);
        var model = await LeanAsync();
        Assert.Null(await model.TryAsync("lean-1", 0.25, "By the test."));
        Assert.Equal(("full", "lean-1", 0.25), (edge.Table!.Active, edge.Table.Trial!.VersionId, edge.Table.Trial.Weight));
        Assert.Null(await model.TryAsync("lean-1", 0.5, "By the test."));
        Assert.Equal(0.5, edge.Table.Trial.Weight);
        Assert.Null(await model.RollBackAsync("By the test."));
        Assert.Null(edge.Table.Trial);
        await Eventually.BeAsync(async () => (await DocumentAsync(model)).Rollout.Versions["lean-1"].State == VersionState.RolledBack, seconds: 30);
    }

    [Fact]
    public async Task A_host_that_dies_leaves_every_edges_routes_and_its_model_is_placed_elsewhere()
    {
        var (dying, edge) = (Host(2, "h2"), Edge(1, "e1"));
        await Eventually.BeAsync(() => edge.Doors is ["http://h2/full"], () => string.Join(' ', edge.Doors), seconds: 30);
        var staying = Host(0, "h0");
        Assert.Empty(staying.Started);
        await _silos.KillAsync(_silos.All[2]);
        await Eventually.BeAsync(() => edge.Doors is ["http://h0/full"], () => string.Join(' ', edge.Doors), seconds: 60);
        GC.KeepAlive(dying);
    }

    [Fact]
    public async Task When_the_owner_dies_the_next_one_knows_all_and_starts_nothing_anew()
    {
        var (owner, stays, host, edge) = await ApartFromOwnerAsync();
        await LeanAsync(silo: stays);
        Assert.Null(await _silos.Grains(stays).GetGrain<IModelGrain>("m").PromoteAsync("lean-1", isRollback: false, "By the test."));
        await Eventually.BeAsync(() => host.Stopped.Contains("full"), seconds: 30);
        var (number, started) = (edge.Table!.Number, host.Started.Count);
        await _silos.KillAsync(owner);
        await Eventually.BeAsync(() => edge.Table!.Number > number, seconds: 60);
        Assert.Equal(("lean-1", "http://h/lean-1"), (edge.Table!.Active, Assert.Single(edge.Doors)));
        Assert.Equal(started, host.Started.Count);
        // No table of the new owner was without the door.
        Assert.DoesNotContain(edge.Tables.Where(table => table.Number > number), table => table.Workers.Length == 0);
    }

    [Fact]
    public async Task A_host_that_leaves_is_replaced_first_and_waited_for()
    {
        var (leaving, edge) = (Host(0, "h0"), Edge(2, "e2"));
        await Eventually.BeAsync(() => edge.Doors is ["http://h0/full"], seconds: 30);
        var staying = Host(1, "h1");
        var model = _silos.Grains(0).GetGrain<IModelGrain>("m");
        // That the host is there is not enough: the model's owner must have heard of it, or there is no elsewhere.
        await Eventually.BeAsync(async () => (await model.ReadAsync()).Hosts.Any(host => host.Host == "h1"), seconds: 30);
        edge.InFlight["full"] = 1;
        var left = model.LeaveAsync("h0");
        await Eventually.BeAsync(() => edge.Doors is ["http://h1/full"], seconds: 30);
        Assert.False(left.IsCompleted);
        edge.InFlight["full"] = 0;
        await left.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.DoesNotContain(edge.Tables, table => table.Workers.Length == 0 && table.Number > edge.Tables.First(known => known.Workers.Length > 0).Number);
        GC.KeepAlive(leaving);
        GC.KeepAlive(staying);
    }

    [Fact]
    public async Task A_host_that_leaves_while_the_models_owner_is_new_is_waited_for_all_the_same()
    {
        var (owner, stays, host, edge) = await ApartFromOwnerAsync();
        edge.InFlight["full"] = 1;
        var grains = _silos.Grains(stays);
        await _silos.KillAsync(owner);
        var left = LeaveAsync();
        await Eventually.BeAsync(() => edge.Table!.Workers.Length == 0, () => string.Join('\n', edge.Tables), seconds: 60);
        Assert.False(left.IsCompleted);
        edge.InFlight["full"] = 0;
        await left.WaitAsync(TimeSpan.FromSeconds(30));
        GC.KeepAlive(host);

        async Task LeaveAsync()
        {
            while (true)
            {
                try
                {
                    await grains.GetGrain<IModelGrain>("m").LeaveAsync("h");
                    return;
                }
                catch (Exception exception) when (OwnedState.IsBetweenOwners(exception))
                {
                    // Between two owners.
                }
            }
        }
    }

    [Fact]
    public async Task Two_models_that_want_the_last_bytes_of_a_host_do_not_both_get_them()
    {
        await using var host = new FakeHost(_silos, 0, "small", "m", limit: 700);
        var grain = _silos.Grains(1).GetGrain<IHostGrain>("small");
        await Eventually.BeAsync(async () => await grain.ReadAsync() is not null, seconds: 30);
        // The model "m" takes 400 of its own accord, or one of these does.
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => _silos.Grains(i % 3).GetGrain<IHostGrain>("small").StartAsync(new WorkerOrder { ModelId = $"x{i}", VersionId = $"v{i}", Path = "" })));
        Assert.True(outcomes.Count(outcome => outcome.Problem is null) <= 1);
        Assert.Contains(outcomes, outcome => outcome.Problem is { Code: "insufficient_memory" } problem && problem.Message.Contains("small", StringComparison.Ordinal));
    }

    private static async Task<ModelDocument> DocumentAsync(IModelGrain model) => ModelDocument.Read("m", (await model.ReadAsync()).Document);

    private async Task<IModelGrain> LeanAsync(string version = "lean-1", int silo = 0)
    {
        var model = _silos.Grains(silo).GetGrain<IModelGrain>("m");
        await model.RegisterAsync(version, nameof(VersionState.Registered), version + ".gguf", 1, "job-1", "By the test.");
        return model;
    }

    /// <summary>Host and edge live on a silo that stays; the model's owner lives on another.</summary>
    private async Task<(InProcessSiloHandle Owner, int Stays, FakeHost Host, FakeEdge Edge)> ApartFromOwnerAsync()
    {
        var model = _silos.Grains(0).GetGrain<IModelGrain>("m");
        await model.ReadAsync();
        var owner = await _silos.OwnerAsync(model);
        var stays = Enumerable.Range(0, 3).First(i => _silos.All[i] != owner);
        var (host, edge) = (Host(stays, "h"), Edge(stays, "e"));
        await Eventually.BeAsync(() => edge.Doors is ["http://h/full"], seconds: 30);
        return (owner, stays, host, edge);
    }

    private FakeHost Host(int silo, string name, long limit = 1000)
    {
        var host = new FakeHost(_silos, silo, name, "m", limit: limit);
        _machines.Add(host);
        return host;
    }

    private FakeEdge Edge(int silo, string name)
    {
        var edge = new FakeEdge(_silos, silo, name, "m");
        _machines.Add(edge);
        return edge;
    }
}
