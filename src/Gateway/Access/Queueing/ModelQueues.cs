using System.Collections.Concurrent;
using FinerCut.Gateway.Configuration;

namespace FinerCut.Gateway.Access.Queueing;

/// <summary>One fair queue a model. Thread-safe.</summary>
public sealed class ModelQueues(GatewayConfig config, TimeProvider clock)
{
    /// <summary>Requests on their way for every slot of a worker, so that none idles while an answer ends here.</summary>
    private const int PlacesASlot = 2;

    private readonly ConcurrentDictionary<string, FairQueue> _queues = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, FairQueue> All => _queues;

    public FairQueue Of(string modelId) => _queues.GetOrAdd(modelId, id => new FairQueue(ConfigOf(id), clock));

    private QueueConfig ConfigOf(string modelId)
    {
        var bounds = config.Access.Queue;
        if (bounds.Places > 0) return bounds;
        var parallel = config.Models.FirstOrDefault(model => model.Id == modelId)?.Parallel ?? 4;
        return bounds with { Places = PlacesASlot * parallel };
    }
}
