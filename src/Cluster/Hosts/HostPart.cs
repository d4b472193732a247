using FinerCut.Cluster.Files;
using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Memory;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Workers;
using FinerCut.Gguf;
using Microsoft.Extensions.Logging;

namespace FinerCut.Cluster.Hosts;

/// <summary>
/// This machine's role as a host: starts and ends workers as models' owners say, and tells them every second, and at every change, what runs
/// here. Thread-safe.
/// </summary>
internal sealed partial class HostPart(IGrainFactory grains, Members members, HostFiles files, ILogger<HostPart> logger) : IHostPort, IWorkerObserver
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CallPatience = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _changed = new(0);
    private readonly CancellationTokenSource _stopping = new();
    private ClusterTools? _tools;
    private IHostPort? _self;
    private Task _reporting = Task.CompletedTask;

    public void Start(ClusterTools tools)
    {
        _tools = tools;
        files.Start(tools.State, () => tools.Live.Current.Models, tools.Time, _stopping.Token);
        _self = grains.CreateObjectReference<IHostPort>(this);
        _reporting = Task.Run(ReportAsync);
    }

    public void Changed(WorkerModel worker) => _changed.Release();

    /// <summary>Lets requests of this machine's workers go elsewhere, as far as there is an elsewhere.</summary>
    public async Task StopAsync(TimeSpan patience)
    {
        if (_tools is null) return;
        try
        {
            await Task.WhenAll(Models.Select(model => grains.GetGrain<IModelGrain>(model.Id).LeaveAsync(members.Name))).WaitAsync(patience, _tools.Time);
        }
        catch (Exception exception)
        {
            LogLeft(logger, exception.GetType().Name);
        }

        await _stopping.CancelAsync();
        await _reporting;
        await files.Watching;
    }

    public Task<byte[]?> ReadFileAsync(string sha256, long offset, int length) => files.ReadAsync(sha256, offset, length);

    public async Task<StartOutcome> StartAsync(WorkerOrder order)
    {
        if (await SpecAsync(order) is not { } spec) return Refused(ApiError.Conflict($"{members.Name} has no file of {order.WorkerId}.", "version_file_missing"));
        var staging = _tools!.Staging;
        if (await staging.ReserveAsync(spec) is { } problem) return Refused(problem);
        if (await staging.BringUpAsync(spec, _stopping.Token) is { } reason)
        {
            await staging.StopAsync(spec);
            return Refused(ApiError.Server(502, $"On {members.Name}: {reason}", "staging_failed"));
        }

        return new StartOutcome { Worker = _tools.Supervisor.Find(spec.WorkerId) is { } worker ? News(worker) : null };
    }

    public Task StopAsync(WorkerOrder order) => _tools!.Staging.StopAsync(new WorkerSpec(order.ModelId, order.VersionId, order.Path, 0, 0, 0));

    private IEnumerable<ModelConfig> Models => _tools!.Live.Current.Models.Where(model => !model.IsExternal);

    private async Task ReportAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            // Changes that came while the last report was under way go with this one.
            while (_changed.Wait(0, CancellationToken.None))
            {
            }

            // First, so that a model that hears of this host finds its ledger.
            await CallAsync(() => grains.GetGrain<IHostGrain>(members.Name).JoinAsync(Card(), _self!));
            await Task.WhenAll(Models.Select(model => CallAsync(() => grains.GetGrain<IModelGrain>(model.Id).ReportAsync(Report(model)))));
            using var beat = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            var tick = Task.Delay(Beat, _tools!.Time, beat.Token);
            await Task.WhenAny(tick, _changed.WaitAsync(beat.Token));
            await beat.CancelAsync();
        }
    }

    private async Task CallAsync(Func<Task> call)
    {
        try
        {
            await call().WaitAsync(CallPatience, _tools!.Time, _stopping.Token);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || _stopping.IsCancellationRequested)
        {
            if (!_stopping.IsCancellationRequested) LogUnheard(logger, exception.GetType().Name);
        }
    }

    private HostCard Card() => new()
    {
        Host = members.Name,
        LimitBytes = _tools!.Memory.Limit,
        Held = [.. _tools.Memory.Entries.Select(entry => new MemoryNote { Id = entry.Id, ModelId = entry.ModelId, Bytes = entry.Forecast.Total })],
    };

    private HostReport Report(ModelConfig model) => new()
    {
        Host = members.Name,
        Silo = members.Self,
        LimitBytes = _tools!.Memory.Limit,
        HeldBytes = _tools.Memory.Held,
        Card = new ModelCard
        {
            ModelId = model.Id,
            Path = model.Path,
            Bytes = new FileInfo(model.Path) is { Exists: true } file ? file.Length : 0,
            ContextSize = model.ContextSize,
            Parallel = model.Parallel,
            Threads = model.Threads,
            Replicas = model.Replicas,
            DrainTimeout = model.DrainTimeout,
            StickyByKey = model.Rollout.Sticky == Gateway.Routing.StickyBy.Key,
        },
        Files = files.Notes(model.Id),
        Workers = [.. _tools.Supervisor.Workers.Where(worker => worker.Spec.ModelId == model.Id).Select(News)],
    };

    private WorkerNews News(WorkerModel worker) => new()
    {
        Host = members.Name,
        Silo = members.Self,
        ModelId = worker.Spec.ModelId,
        VersionId = worker.Spec.VersionId,
        State = worker.State.ToString(),
        Url = worker.Address?.Url,
        Key = worker.Address?.Key,
        Incarnation = worker.Spec.Incarnation,
        Generation = worker.Generation,
        Reason = worker.Reason,
        RetryAt = worker.RetryAt,
    };

    /// <summary>Null where this machine has no file of the version and no other gives it one.</summary>
    private async Task<WorkerSpec?> SpecAsync(WorkerOrder order)
    {
        if (_tools!.Live.Find(order.ModelId) is not { } model) return null;
        var path = order.VersionId == ModelGrain.FullVersion && File.Exists(model.Path) ? model.Path : await FileAsync(order);
        return path is null ? null : new WorkerSpec(order.ModelId, order.VersionId, path, model.ContextSize, model.Parallel, model.Threads) { Device = model.Device };
    }

    private async Task<string?> FileAsync(WorkerOrder order)
    {
        var own = _tools!.State.VersionPath(order.ModelId, order.VersionId);
        // No host has told its content: a folder that all share, or the machine that made it and has not reckoned its hash yet.
        if (order.Sha256 is not { } sha256) return new[] { own, order.Path }.FirstOrDefault(File.Exists);
        string[] sources = [.. (order.Sources ?? []).Where(source => source != members.Name)];
        if (order.Parts is { Length: > 0 } parts) return await files.FetchSetAsync(sha256, parts, sources, _stopping.Token);
        return await files.FindAsync(sha256, own, _stopping.Token) ?? await files.FetchAsync(sha256, order.Bytes, sources, _stopping.Token);
    }

    public async Task<long?> ForecastAsync(WorkerOrder order)
    {
        try
        {
            return await SpecAsync(order) is { } spec ? Forecasts.OfWorker(spec.ModelPath, spec.ContextSize, spec.Parallel, spec.Device).Total : null;
        }
        catch (Exception exception) when (exception is GgufException or IOException or UnauthorizedAccessException or HostFileException)
        {
            LogUnusable(logger, order.WorkerId, exception.Message);
            return null;
        }
    }

    private static StartOutcome Refused(ApiError error) => new() { Problem = new Refusal { Status = error.Status, Code = error.Code, Message = error.Message } };

    [LoggerMessage(Level = LogLevel.Warning, Message = "A model's owner did not hear this host's report ({Kind}); told again in a second.")]
    private static partial void LogUnheard(ILogger logger, string kind);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Worker} has no usable file here: {Reason}")]
    private static partial void LogUnusable(ILogger logger, string worker, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "This host leaves the cluster before all its requests have gone elsewhere ({Kind}).")]
    private static partial void LogLeft(ILogger logger, string kind);
}
