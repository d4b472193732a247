using System.Collections.Concurrent;
using FinerCut.Gateway.Configuration;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Workers;

/// <summary>All workers of this gateway, one owner each. Thread-safe.</summary>
public sealed class Supervisor(WorkerConfig config, WorkerProbe probe, IWorkerObserver observer, ILoggerFactory loggers, TimeProvider time)
{
    private readonly ConcurrentDictionary<string, WorkerOwner> _owners = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<WorkerOwner, byte> _leaving = new();
    private readonly Lock _gate = new();
    private long _incarnations;

    public IReadOnlyList<WorkerModel> Workers => [.. _owners.Values.Select(owner => owner.Model).OrderBy(worker => worker.Spec.WorkerId, StringComparer.Ordinal)];

    public WorkerModel? Find(string workerId) => _owners.TryGetValue(workerId, out var owner) ? owner.Model : null;

    /// <summary>Starts the worker unless it is already there and alive; one that failed is replaced.</summary>
    public WorkerOwner Start(WorkerSpec spec)
    {
        lock (_gate)
        {
            if (_owners.TryGetValue(spec.WorkerId, out var owner) && owner.Model.State is not WorkerState.Failed) return owner;
            return _owners[spec.WorkerId] = new WorkerOwner(spec with { Incarnation = ++_incarnations }, config, probe, observer, loggers.CreateLogger("Worker." + spec.WorkerId), time);
        }
    }

    /// <summary>Forgets the worker at once (a start from now on makes a new one) and completes when its process is gone.</summary>
    public async Task StopAsync(string workerId)
    {
        if (!_owners.TryRemove(workerId, out var owner)) return;
        _leaving[owner] = 0;
        await owner.StopAsync();
        _leaving.TryRemove(owner, out _);
    }

    public async Task StopAsync()
    {
        await Task.WhenAll(_owners.Keys.Select(StopAsync));
        await Task.WhenAll(_leaving.Keys.Select(owner => owner.StopAsync()));
    }
}
