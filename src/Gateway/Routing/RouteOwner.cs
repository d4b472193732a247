using System.Collections.Immutable;
using System.Threading.Channels;
using FinerCut.Gateway.Workers;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Routing;

/// <summary>
/// The one writer of <see cref="RouteModel"/>: learns of workers and of the version that is active, and publishes snapshots, to YARP first and
/// then to readers, so that whatever a reader chooses YARP can reach. An upstream that left its route is closed after that.
/// </summary>
public sealed class RouteOwner(YarpRoutes yarp, ILogger<RouteOwner> logger) : IWorkerObserver, IDisposable
{
    private readonly Channel<Func<Task>> _events = Channel.CreateUnbounded<Func<Task>>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Dictionary<string, WorkerModel> _workers = new(StringComparer.Ordinal);
    private readonly LoadTimes _loads = new();
    private readonly Dictionary<string, ModelShare> _shares = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Upstream> _upstreams = new(StringComparer.Ordinal);
    private readonly List<Upstream> _draining = [];
    private readonly HashSet<string> _ended = new(StringComparer.Ordinal);
    private ImmutableArray<Upstream> _known = [];
    private volatile RouteModel _current = RouteModel.Empty;
    private Task _loop = Task.CompletedTask;
    private int _numbers;

    public RouteModel Current => _current;

    /// <summary>Raised after a worker's change has been published. Must not block or throw.</summary>
    public event Action<WorkerModel>? WorkerPublished;

    /// <summary>Raised when a request wants a model that is not loaded. Must not block or throw.</summary>
    public event Action<string>? Wanted;

    /// <summary>How long the model took to load the last time; null where it never was.</summary>
    public TimeSpan? LoadTimeOf(string modelId) => _loads.Of(modelId);

    public void Want(string modelId) => Wanted?.Invoke(modelId);

    /// <summary>Requests that a version is answering, also while it drains.</summary>
    /// <param name="modelId">Of this model.</param>
    /// <param name="versionId">The version.</param>
    /// <param name="destination">Of this one only; null: of all.</param>
    public int InFlight(string modelId, string versionId, string? destination = null) =>
        _known.Where(upstream => upstream.ModelId == modelId && upstream.VersionId == versionId && (destination is null || upstream.Destination == destination)).Sum(upstream => upstream.InFlight);

    /// <summary>A version's upstreams that take no more requests and still answer some.</summary>
    public ImmutableArray<Upstream> Closed(string modelId, string versionId) =>
        [.. _known.Where(upstream => upstream.ModelId == modelId && upstream.VersionId == versionId && upstream.IsClosed && !upstream.Drained.IsCompleted)];

    public void Start() => _loop = Task.Run(RunAsync);

    public void Changed(WorkerModel worker) => _events.Writer.TryWrite(() => ApplyAsync(worker));

    /// <summary>
    /// Says which versions new requests go to. Completes once that is so and the upstreams that are not among them any more are closed: they hold
    /// only requests that began before.
    /// </summary>
    public Task ShareAsync(string modelId, ModelShare share) => InTurnAsync(() =>
    {
        _shares[modelId] = share;
        return PublishAsync();
    });

    /// <summary>For good: the model takes no more requests, and what it still answers ends now, each stream with a typed error event.</summary>
    public Task EndAsync(string modelId) => InTurnAsync(async () =>
    {
        _ended.Add(modelId);
        await PublishAsync();
        foreach (var upstream in _known.Where(upstream => upstream.ModelId == modelId)) upstream.End(FailureKind.Stopped);
    });

    public async Task StopAsync()
    {
        _events.Writer.TryComplete();
        await _loop;
    }

    public void Dispose()
    {
        foreach (var upstream in _upstreams.Values.Concat(_draining)) upstream.Dispose();
    }

    private async Task InTurnAsync(Func<Task> act)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var queued = _events.Writer.TryWrite(async () =>
        {
            try
            {
                await act();
                done.SetResult();
            }
            catch (Exception exception)
            {
                done.SetException(exception);
            }
        });
        ObjectDisposedException.ThrowIf(!queued, this);
        await done.Task;
    }

    private async Task RunAsync()
    {
        await foreach (var apply in _events.Reader.ReadAllAsync())
        {
            try
            {
                await apply();
            }
            catch (Exception exception)
            {
                logger.LogError(exception, "A change of routes could not be published.");
            }
        }
    }

    private async Task ApplyAsync(WorkerModel worker)
    {
        var id = worker.Spec.WorkerId;
        if (_workers.TryGetValue(id, out var known) && known.Spec.Incarnation > worker.Spec.Incarnation) return;
        if (worker.State is WorkerState.Stopped) _workers.Remove(id);
        else _workers[id] = worker;
        _loads.Saw(worker);
        await PublishAsync();
        WorkerPublished?.Invoke(worker);
    }

    private async Task PublishAsync()
    {
        var next = new Dictionary<string, Upstream>(StringComparer.Ordinal);
        foreach (var worker in _workers.Values.Where(worker => worker.Address is not null))
        {
            var spec = worker.Spec;
            var key = $"{spec.WorkerId}#{spec.Incarnation}.{worker.Generation}";
            // A closed one stays closed: a version that comes back while it drains gets a new door to the same worker.
            next[key] = _upstreams.TryGetValue(key, out var kept) && !kept.IsClosed
                ? kept
                : new Upstream($"{spec.VersionId}#{++_numbers}", spec.ModelId, spec.VersionId, worker.Address!.Url, worker.Address.Key is { Length: > 0 } bearer ? bearer : null)
                {
                    Destination = spec.Destination,
                    Most = spec.Destination is null ? int.MaxValue : spec.Parallel,
                };
        }

        _draining.AddRange(_upstreams.Where(entry => !next.TryGetValue(entry.Key, out var same) || same != entry.Value).Select(entry => entry.Value));
        _upstreams.Clear();
        foreach (var (key, upstream) in next) _upstreams[key] = upstream;
        _draining.RemoveAll(upstream => upstream.Drained.IsCompleted);

        var model = new RouteModel(_shares.ToImmutableSortedDictionary(share => share.Key, share => Route(share.Key, share.Value), StringComparer.Ordinal));
        var previous = _current;
        ImmutableArray<Upstream> known = [.. _upstreams.Values, .. _draining];
        ImmutableInterlocked.InterlockedExchange(ref _known, known);
        await yarp.PublishAsync(model.Models.Keys, known);
        _current = model;
        previous.Replace();

        // Only now, when nobody can choose them from the newest snapshot any more.
        var routed = model.Models.Values.SelectMany(route => route.AllUpstreams).ToHashSet();
        var left = previous.Models.Values.SelectMany(route => route.AllUpstreams).Where(upstream => !routed.Contains(upstream));
        foreach (var upstream in left.Concat(_draining)) upstream.Close();
    }

    private ModelRoute Route(string modelId, ModelShare share)
    {
        if (_ended.Contains(modelId)) return new ModelRoute(modelId, share.VersionId, [], RouteAvailability.Down, "This gateway is being stopped.") { Problem = UpstreamFailure.ToError(FailureKind.Stopped) };
        var trial = share.Trial is null ? null : new TrialRoute(share.Trial, UpstreamsOf(modelId, share.Trial.VersionId));
        return share.Asleep
            ? new ModelRoute(modelId, share.VersionId, [], RouteAvailability.Asleep, share.Problem?.Message ?? "The model is not loaded; a request loads it.") { Problem = share.Problem }
            : Route(modelId, share.VersionId) with { Trial = trial };
    }

    private ImmutableArray<Upstream> UpstreamsOf(string modelId, string versionId) =>
        [.. _upstreams.Values.Where(upstream => upstream.ModelId == modelId && upstream.VersionId == versionId)];

    private ModelRoute Route(string modelId, string versionId)
    {
        var upstreams = UpstreamsOf(modelId, versionId);
        if (upstreams.Length > 0) return new ModelRoute(modelId, versionId, upstreams, RouteAvailability.Ready, null);
        var worker = _workers.Values.FirstOrDefault(worker => worker.Spec.ModelId == modelId && worker.Spec.VersionId == versionId);
        var availability = worker?.State is WorkerState.Broken or WorkerState.Failed ? RouteAvailability.Down : RouteAvailability.Soon;
        return new ModelRoute(modelId, versionId, [], availability, worker is null ? "No worker is running." : Words(worker)) { RetryAt = worker is null ? null : _loads.ReadyAt(worker) };
    }

    private static string Words(WorkerModel worker) => worker.State switch
    {
        WorkerState.Starting or WorkerState.Loading => "The model is being loaded.",
        WorkerState.BackingOff => "The worker died and is about to be restarted.",
        WorkerState.Broken => $"The worker died {worker.Deaths.Length} times in a row and is given a pause.",
        WorkerState.Failed => "The worker cannot be started; the gateway's log and GET /admin/workers say why.",
        _ => "The worker is being stopped.",
    };
}
