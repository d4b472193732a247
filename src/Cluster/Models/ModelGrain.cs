using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Routes;
using FinerCut.Gateway.Rollout;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace FinerCut.Cluster.Models;

/// <summary>A model as it is kept.</summary>
[GenerateSerializer, Alias("finercut.model-record")]
public sealed class ModelRecord
{
    /// <summary>As <see cref="ModelDocument"/> writes it.</summary>
    [Id(0)] public string Json { get; set; } = "";
}

/// <summary>
/// See <see cref="IModelGrain"/>. Calls interleave at the waits, since a promotion takes as long as a model takes to load; one change of versions
/// at a time (<see cref="_turn"/>), one write at a time (<see cref="_writing"/>). A second owner, should there ever be one for a moment, cannot
/// write: the database refuses who has not read the newest state.
/// </summary>
[Reentrant]
public sealed partial class ModelGrain(
    [PersistentState("model", ModelGrain.Storage)] IPersistentState<ModelRecord> record, Members members, TimeProvider time, ILogger<ModelGrain> logger) : Grain, IModelGrain
{
    public const string Storage = "finercut";
    public const string FullVersion = "full";

    /// <summary>How long a new owner listens to hosts before it tells edges where requests go: each host reports every second.</summary>
    private static readonly TimeSpan Gathering = TimeSpan.FromSeconds(2.5);

    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(500);

    private readonly SemaphoreSlim _turn = new(1);
    private readonly SemaphoreSlim _writing = new(1);
    private ModelFleet _fleet = null!;
    private ModelDocument _document = null!;
    private ModelCard? _card;
    private bool _gathered;
    private long _began;
    private int _tables;
    private string _told = "";
    private RouteTable? _last;

    private string ModelId => this.GetPrimaryKeyString();

    /// <summary>To the millisecond, as it is kept.</summary>
    private DateTimeOffset Now => DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _fleet = new ModelFleet(GrainFactory, members.IsDead, time);
        _document = ModelDocument.Read(ModelId, record.State.Json);
        // Of a model that nobody knew nothing can be running anywhere.
        _gathered = _document.Rollout.Versions.IsEmpty;
        _began = time.GetTimestamp();
        _document = _document with { Epoch = _document.Epoch + 1 };
        await WriteAsync(_document);
        // Staging ended with its owner. Draining did not: the streams run on.
        foreach (var version in _document.Rollout.Versions.Values.Where(version => version.State is VersionState.Staging or VersionState.Staged))
        {
            await ChangeAsync(rollout => rollout.Apply(version.Id, VersionEvent.Restarted, "The model's owner was restarted.", Now));
        }

        foreach (var version in _document.Rollout.Versions.Values.Where(version => version.State is VersionState.Draining or VersionState.RollingBack)) BeginDrain(version);
        this.RegisterGrainTimer(EnsureAsync, new GrainTimerCreationOptions(Beat, Beat) { Interleave = true });
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        foreach (var drain in _drains.Values) drain.Cancel();
        return Task.CompletedTask;
    }

    public async Task ReportAsync(HostReport report)
    {
        _card = report.Card;
        _fleet.Hear(report);
        await RegisterFullAsync(report.Card);
        await EnsureAsync();
    }

    public Task<RouteTable?> WatchAsync(string edge, SiloAddress silo, IEdgePort port)
    {
        _fleet.Watch(edge, silo, port);
        return Task.FromResult(_last);
    }

    public Task<ModelBook> ReadAsync() => Task.FromResult(new ModelBook
    {
        Document = _document.Rollout.Versions.IsEmpty ? "" : _document.Write(),
        Hosts = [.. _fleet.Hosts],
        Edges = [.. _fleet.Edges],
        Number = Number,
        Owner = members.Name,
    });

    public Task RegisterAsync(string version, string state, string path, long bytes, string? job, string reason) => ChangeAsync(rollout => rollout.Versions.ContainsKey(version) ? null
        : rollout.Register(new VersionModel(version, Enum.Parse<VersionState>(state), path, bytes, job, Now), reason, Now));

    private long Number => (_document.Epoch << 32) | (uint)_tables;

    /// <summary>What the settings' file is; a first version is active at once.</summary>
    private Task RegisterFullAsync(ModelCard card)
    {
        // A host that has yet to fetch the file does not know what it is.
        if (_document.Rollout.Versions.ContainsKey(FullVersion) || card.Bytes == 0) return Task.CompletedTask;
        return ChangeAsync(rollout => rollout.Versions.ContainsKey(FullVersion) ? null
            : rollout.Register(new VersionModel(FullVersion, VersionState.Registered, card.Path, card.Bytes, null, Now), "From the settings.", Now));
    }

    /// <summary>Written before it holds, so that nobody is told of what could be lost.</summary>
    private async Task<bool> ChangeAsync(Func<ModelRollout, RolloutChange?> change)
    {
        await _writing.WaitAsync();
        try
        {
            if (change(_document.Rollout) is not { } made) return false;
            if (made.Transitions.IsEmpty) return true;
            var next = _document.With(made);
            await WriteAsync(next);
            _document = next;
            foreach (var transition in made.Transitions) LogTransition(logger, ModelId, transition.VersionId, transition.State, transition.Event, transition.Reason ?? "");
            return true;
        }
        finally
        {
            _writing.Release();
        }
    }

    private async Task SetWeightAsync(string version, double weight)
    {
        await _writing.WaitAsync();
        try
        {
            var next = _document with { Weights = _document.Weights.SetItem(version, weight) };
            await WriteAsync(next);
            _document = next;
        }
        finally
        {
            _writing.Release();
        }
    }

    private async Task WriteAsync(ModelDocument document)
    {
        record.State.Json = document.Write();
        await this.WriteOrLeaveAsync(record);
    }

    private RouteTable Table()
    {
        var rollout = _document.Rollout;
        var (active, tried) = (rollout.Active!, rollout.OnTrial);
        return new RouteTable
        {
            ModelId = ModelId,
            Number = Number,
            Active = active.Id,
            StickyByKey = _card?.StickyByKey ?? false,
            Trial = tried is null ? null : new TrialNote
            {
                VersionId = tried.Id,
                Weight = tried.State == VersionState.Shadowing ? 0 : _document.Weights.GetValueOrDefault(tried.Id),
                Salt = $"{ModelId}/{tried.Id}/{(_document.History.FirstOrDefault(transition => transition.VersionId == tried.Id)?.At ?? default).ToUnixTimeMilliseconds()}",
            },
            Workers = [.. _fleet.Workers(active.Id).Concat(tried is null ? [] : _fleet.Workers(tried.Id)).OrderBy(worker => worker.Host, StringComparer.Ordinal)],
        };
    }

    /// <summary>Tells all edges, where there is news. Completes when the newest table holds on every edge that answers.</summary>
    private async Task PublishAsync()
    {
        if (!_gathered || _document.Rollout.Active is null) return;
        var table = Table();
        if (Signature(table) is var told && told != _told)
        {
            _told = told;
            _tables++;
            table = table with { Number = Number };
            _last = table;
        }

        await _fleet.PublishAsync(_last!);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Model}/{Version} is {State} ({Event}). {Reason}")]
    private static partial void LogTransition(ILogger logger, string model, string version, VersionState state, string @event, string reason);
}
