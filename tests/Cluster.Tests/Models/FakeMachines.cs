using System.Collections.Concurrent;
using FinerCut.Cluster.Hosts;
using FinerCut.Cluster.Models;
using FinerCut.Cluster.Routes;

namespace FinerCut.Tests.Cluster.Models;

/// <summary>A host without processes: workers are entries of a list. Reports ten times a second.</summary>
internal sealed class FakeHost : IHostPort, IAsyncDisposable
{
    private readonly TestSilos _silos;
    private readonly int _silo;
    private readonly string _model;
    private readonly int _replicas;
    private readonly long _limit;
    private readonly ConcurrentDictionary<string, WorkerNews> _workers = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly IHostPort _self;
    private readonly IGrainFactory _grains;
    private readonly Orleans.Runtime.SiloAddress _address;
    private readonly Task _reporting;
    private int _incarnations;

    public FakeHost(TestSilos silos, int silo, string name, string model, int replicas = 1, long limit = 1000)
    {
        (_silos, _silo, Name, _model, _replicas, _limit) = (silos, silo, name, model, replicas, limit);
        _grains = silos.Grains(silo);
        _address = silos.All[silo].SiloAddress;
        _self = _grains.CreateObjectReference<IHostPort>(this);
        _reporting = Task.Run(ReportAsync);
    }

    public string Name { get; }

    public ConcurrentBag<string> Started { get; } = [];

    public ConcurrentBag<string> Stopped { get; } = [];

    /// <summary>Versions whose workers do not come up here.</summary>
    public ConcurrentDictionary<string, byte> Broken { get; } = new();

    public IEnumerable<string> Versions => _workers.Keys;

    public Task<long?> ForecastAsync(WorkerOrder order) => Task.FromResult<long?>(400);

    public Task<byte[]?> ReadFileAsync(string sha256, long offset, int length) => Task.FromResult<byte[]?>(null);

    public Task<StartOutcome> StartAsync(WorkerOrder order)
    {
        Started.Add(order.VersionId);
        if (Broken.ContainsKey(order.VersionId)) return Task.FromResult(new StartOutcome { Problem = new Refusal { Status = 502, Code = "staging_failed", Message = "It died." } });
        var worker = _workers.GetOrAdd(order.VersionId, version => new WorkerNews
        {
            Host = Name, Silo = _address, ModelId = order.ModelId, VersionId = version, State = "Ready", Url = $"http://{Name}/{version}", Incarnation = ++_incarnations, Generation = 1,
        });
        return Task.FromResult(new StartOutcome { Worker = worker });
    }

    public Task StopAsync(WorkerOrder order)
    {
        if (_workers.TryRemove(order.VersionId, out _)) Stopped.Add(order.VersionId);
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _reporting;
    }

    private async Task ReportAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await _grains.GetGrain<IHostGrain>(Name).JoinAsync(new HostCard
                {
                    Host = Name, LimitBytes = _limit, Held = [.. _workers.Keys.Select(version => new MemoryNote { Id = $"{_model}/{version}", ModelId = _model, Bytes = 400 })],
                }, _self);
                await _grains.GetGrain<IModelGrain>(_model).ReportAsync(new HostReport
                {
                    Host = Name, Silo = _address, LimitBytes = _limit, HeldBytes = _workers.Count * 400, Workers = [.. _workers.Values],
                    Card = new ModelCard
                    {
                        ModelId = _model, Path = "full.gguf", Bytes = 1, ContextSize = 64, Parallel = 1, Threads = 1, Replicas = _replicas, DrainTimeout = TimeSpan.FromSeconds(20), StickyByKey = false,
                    },
                });
                await Task.Delay(100, _stopping.Token);
            }
            catch (Exception)
            {
                // Its silo or the owner's is gone: told again, or never.
                await Task.WhenAny(Task.Delay(100, _stopping.Token));
            }
        }
    }
}

/// <summary>An edge without sockets: remembers what it was told. Asks ten times a second.</summary>
internal sealed class FakeEdge : IEdgePort, IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _watching;
    private readonly List<RouteTable> _tables = [];

    public FakeEdge(TestSilos silos, int silo, string name, string model)
    {
        var (grains, address) = (silos.Grains(silo), silos.All[silo].SiloAddress);
        var self = grains.CreateObjectReference<IEdgePort>(this);
        _watching = Task.Run(async () =>
        {
            while (!_stopping.IsCancellationRequested)
            {
                try
                {
                    if (await grains.GetGrain<IModelGrain>(model).WatchAsync(name, address, self) is { } table) await ApplyAsync(table);
                    await Task.Delay(100, _stopping.Token);
                }
                catch (Exception)
                {
                    await Task.WhenAny(Task.Delay(100, _stopping.Token));
                }
            }
        });
    }

    /// <summary>Requests under way, by version.</summary>
    public ConcurrentDictionary<string, int> InFlight { get; } = new();

    public ConcurrentBag<string> Ended { get; } = [];

    public RouteTable? Table
    {
        get
        {
            lock (_tables) return _tables.LastOrDefault();
        }
    }

    /// <summary>In the order in which they held.</summary>
    public IReadOnlyList<RouteTable> Tables
    {
        get
        {
            lock (_tables) return [.. _tables];
        }
    }

    /// <summary>Where new requests of the active version may go.</summary>
    public string[] Doors => Table is { } table ? [.. table.Workers.Where(worker => worker.VersionId == table.Active && worker.Url is not null).Select(worker => worker.Url!)] : [];

    public Task ApplyAsync(RouteTable table)
    {
        lock (_tables)
        {
            if (_tables.Count == 0 || table.Number > _tables[^1].Number) _tables.Add(table);
        }

        return Task.CompletedTask;
    }

    public Task<int> InFlightAsync(string model, string version, string? host) => Task.FromResult(InFlight.GetValueOrDefault(version));

    public Task EndAsync(string model, string version)
    {
        Ended.Add(version);
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _watching;
    }
}
