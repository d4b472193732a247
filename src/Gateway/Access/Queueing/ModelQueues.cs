using System.Collections.Concurrent;
using FinerCut.Gateway.Configuration.Live;

namespace FinerCut.Gateway.Access.Queueing;

/// <summary>One fair queue a model. Thread-safe.</summary>
public sealed class ModelQueues(LiveConfig live, TimeProvider clock)
{
    /// <summary>Requests on their way for every slot of a worker, so that none idles while an answer ends here.</summary>
    private const int PlacesASlot = 2;

    private readonly ConcurrentDictionary<string, FairQueue> _queues = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, FairQueue> All => _queues;

    public FairQueue Of(string modelId) => _queues.GetOrAdd(modelId, id => new FairQueue(ConfigOf(id), clock));

    /// <summary>After the settings changed.</summary>
    public void Reconfigure()
    {
        foreach (var (modelId, queue) in _queues) queue.Reconfigure(ConfigOf(modelId));
    }

    private QueueConfig ConfigOf(string modelId)
    {
        var bounds = live.Current.Access.Queue;
        if (bounds.Places > 0) return bounds;
        var parallel = live.Find(modelId)?.Parallel ?? 4;
        return bounds with { Places = PlacesASlot * parallel };
    }
}
