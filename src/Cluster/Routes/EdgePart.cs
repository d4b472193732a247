using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Workers;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;

namespace FinerCut.Cluster.Routes;

/// <summary>
/// This machine's role as an edge: keeps its routes as the models' owners say, told at every change and asking every second; what stands on a
/// machine that the membership has given up leaves the routes without being told. Thread-safe.
/// </summary>
internal sealed partial class EdgePart(IGrainFactory grains, Members members, ILogger<EdgePart> logger) : IEdgePort
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan CallPatience = TimeSpan.FromSeconds(5);

    /// <summary>Every so many beats the models' owners are asked.</summary>
    private const int AskEvery = 4;

    private readonly SemaphoreSlim _applying = new(1);
    private readonly Dictionary<string, KnownModel> _models = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private ClusterTools? _tools;
    private IEdgePort? _self;
    private Task _watching = Task.CompletedTask;
    private long _incarnations;

    public void Start(ClusterTools tools)
    {
        _tools = tools;
        _self = grains.CreateObjectReference<IEdgePort>(this);
        _watching = Task.Run(WatchAsync);
    }

    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _watching;
    }

    public async Task ApplyAsync(RouteTable table)
    {
        await _applying.WaitAsync();
        try
        {
            var known = _models.TryGetValue(table.ModelId, out var found) ? found : _models[table.ModelId] = new KnownModel();
            if (known.Table is { } newer && newer.Number > table.Number) return;
            known.Table = table;
            await ShowAsync(known);
        }
        finally
        {
            _applying.Release();
        }
    }

    public Task<int> InFlightAsync(string model, string version, string? host) => Task.FromResult(_tools!.Routes.InFlight(model, version, host));

    public Task EndAsync(string model, string version)
    {
        foreach (var upstream in _tools!.Routes.Closed(model, version)) upstream.End(FailureKind.Retired);
        return Task.CompletedTask;
    }

    /// <summary>Brings the routes to what the table says, less what is known to be gone. One caller at a time.</summary>
    private async Task ShowAsync(KnownModel known)
    {
        var (table, routes) = (known.Table!, _tools!.Routes);
        var living = table.Workers.Where(worker => !members.IsDead(worker.Silo)).ToDictionary(worker => (worker.Host, worker.VersionId));
        foreach (var (place, worker) in living)
        {
            if (known.Shown.TryGetValue(place, out var shown) && shown.News == worker) continue;
            var incarnation = shown.News is { } before && before.Silo.Equals(worker.Silo) && before.Incarnation == worker.Incarnation ? shown.Incarnation : ++_incarnations;
            known.Shown[place] = (worker, incarnation);
            routes.Changed(Model(worker, incarnation));
        }

        var trial = table.Trial is { } tried
            ? new TrialShare(tried.VersionId, tried.Weight, 0, table.StickyByKey ? StickyBy.Key : StickyBy.Conversation, tried.Salt)
            : null;
        await routes.ShareAsync(table.ModelId, new ModelShare(table.Active) { Trial = trial });
        foreach (var (place, shown) in known.Shown.Where(shown => !living.ContainsKey(shown.Key)).ToArray())
        {
            known.Shown.Remove(place);
            routes.Changed(Model(shown.News, shown.Incarnation) with { State = WorkerState.Stopped, Address = null });
        }
    }

    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(Beat, _tools!.Time);
        for (var beat = 0; ; beat++)
        {
            try
            {
                if (beat % AskEvery == 0) await Task.WhenAll(_tools.Live.Current.Models.Where(model => !model.IsExternal).Select(model => AskAsync(model.Id)));
                await LeaveDeadAsync();
                await timer.WaitForNextTickAsync(_stopping.Token);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                LogStale(logger, exception);
            }
        }
    }

    private async Task AskAsync(string model)
    {
        try
        {
            if (await grains.GetGrain<IModelGrain>(model).WatchAsync(members.Name, members.Self, _self!).WaitAsync(CallPatience, _tools!.Time, _stopping.Token) is { } table) await ApplyAsync(table);
        }
        catch (Exception exception) when (!_stopping.IsCancellationRequested)
        {
            // The routes that are known hold on.
            LogUnheard(logger, model, exception.GetType().Name);
        }
    }

    private async Task LeaveDeadAsync()
    {
        await _applying.WaitAsync();
        try
        {
            foreach (var known in _models.Values.Where(known => known.Shown.Values.Any(shown => members.IsDead(shown.News.Silo)))) await ShowAsync(known);
        }
        finally
        {
            _applying.Release();
        }
    }

    private WorkerModel Model(WorkerNews worker, long incarnation) => new(
        new WorkerSpec(worker.ModelId, worker.VersionId, "", 0, int.MaxValue, 0) { Destination = worker.Host, Incarnation = incarnation },
        Enum.Parse<WorkerState>(worker.State),
        _tools!.Time.GetUtcNow())
    {
        Generation = worker.Generation,
        Address = worker.Url is { } url ? new WorkerAddress(url, worker.Key ?? "") : null,
        Reason = worker.Reason,
        RetryAt = worker.RetryAt,
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "The owner of {Model} did not answer ({Kind}); the routes that are known hold on.")]
    private static partial void LogUnheard(ILogger logger, string model, string kind);

    [LoggerMessage(Level = LogLevel.Error, Message = "The routes of the cluster could not be renewed; those that are known hold on.")]
    private static partial void LogStale(ILogger logger, Exception exception);

    private sealed class KnownModel
    {
        public RouteTable? Table { get; set; }

        public Dictionary<(string Host, string Version), (WorkerNews News, long Incarnation)> Shown { get; } = [];
    }
}
