using FinerCut.Gateway.Admin;
using FinerCut.Gateway.Telemetry;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Rollout;

/// <summary>Makes a change known everywhere: row, history, event, metric and log. The row comes first, so that nobody is told of what could be lost.</summary>
public sealed class RolloutJournal(RolloutStore store, EventHub hub, GatewayMetrics metrics, ILogger<RolloutJournal> logger, TimeProvider time)
{
    /// <summary>By which its rows are dated.</summary>
    public TimeProvider Time => time;

    public ModelRollout Load(string modelId) => store.Load(modelId);

    public IReadOnlyList<VersionTransition> History(string modelId, string? versionId = null) => store.History(modelId, versionId);

    public double? Weight(string modelId, string versionId) => store.Weight(modelId, versionId);

    public void SetWeight(string modelId, string versionId, double weight)
    {
        store.SetWeight(modelId, versionId, weight);
        logger.LogInformation("{Model}/{Version} gets {Weight} of the requests.", modelId, versionId, weight);
        hub.Publish(new AdminEvent("weight", modelId, new { Version = versionId, Weight = weight }));
    }

    public void Commit(RolloutChange change)
    {
        if (change.Transitions.IsEmpty) return;
        store.Save(change);
        foreach (var transition in change.Transitions)
        {
            logger.LogInformation("{Model}/{Version} is {State} ({Event}). {Reason}", change.Next.ModelId, transition.VersionId, transition.State, transition.Event, transition.Reason ?? "");
            metrics.Transition("version", change.Next.ModelId, transition.State.ToString());
            hub.Publish(new AdminEvent("version", change.Next.ModelId, AdminViews.Of(change.Next.ModelId, transition)));
        }
    }
}
