using System.Collections.Concurrent;
using FinerCut.Gateway.Workers;

namespace FinerCut.Gateway.Routing;

/// <summary>How long models took to load the last time, and so when one that is being loaded is expected to answer. One writer; what a model took may be read by anybody.</summary>
internal sealed class LoadTimes
{
    private readonly ConcurrentDictionary<string, TimeSpan> _last = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DateTimeOffset> _begun = new(StringComparer.Ordinal);

    public void Saw(WorkerModel worker)
    {
        if (worker.State == WorkerState.Starting) _begun[worker.Spec.WorkerId] = worker.Since;
        else if (worker.State == WorkerState.Stopped) _begun.Remove(worker.Spec.WorkerId);
        if (worker is { State: WorkerState.Ready, LoadTime: { } took }) _last[worker.Spec.ModelId] = took;
    }

    /// <summary>From the start to the first healthy answer, the last time; null where it was never ready.</summary>
    public TimeSpan? Of(string modelId) => _last.TryGetValue(modelId, out var took) ? took : null;

    /// <summary>Null where nothing is known; the next start alone for a model that was never ready.</summary>
    public DateTimeOffset? ReadyAt(WorkerModel worker)
    {
        DateTimeOffset? begin = worker.State is not (WorkerState.Starting or WorkerState.Loading) ? worker.RetryAt : _begun.TryGetValue(worker.Spec.WorkerId, out var begun) ? begun : null;
        return Of(worker.Spec.ModelId) is { } took ? begin + took : worker.RetryAt;
    }
}
