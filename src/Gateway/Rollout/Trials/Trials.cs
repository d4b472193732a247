using System.Collections.Concurrent;
using FinerCut.Gateway.Routing;

namespace FinerCut.Gateway.Rollout.Trials;

/// <summary>The trials under way, at most one a model. Thread-safe; costs a look into a dictionary where there is none.</summary>
public sealed class Trials
{
    private readonly ConcurrentDictionary<string, TrialState> _states = new(StringComparer.Ordinal);

    public TrialState? Find(string modelId) => _states.GetValueOrDefault(modelId);

    /// <summary>Takes the place of an earlier trial (or stage of one) of the model.</summary>
    public void Begin(string modelId, TrialState state)
    {
        End(modelId);
        _states[modelId] = state;
    }

    public void End(string modelId)
    {
        if (_states.TryRemove(modelId, out var state)) state.Dispose();
    }

    public void Saw(in ExchangeEnd end)
    {
        if (!_states.IsEmpty && _states.TryGetValue(end.Upstream.ModelId, out var state)) state.Saw(end);
    }
}
