using System.Collections.Immutable;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Telemetry;
using FinerCut.Gateway.Workers;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Rollout;

/// <summary>All models' rollouts; also watches over active versions, and leaves one whose worker cannot be kept alive.</summary>
public sealed class Rollouts(ImmutableSortedDictionary<string, RolloutOwner> owners, EventHub hub, GatewayMetrics metrics, ILogger<Rollouts> logger)
{
    public IEnumerable<RolloutOwner> All => owners.Values;

    public static Rollouts Of(GatewayConfig config, Func<ModelConfig, RolloutOwner> create, EventHub hub, GatewayMetrics metrics, ILogger<Rollouts> logger) =>
        new(config.Models.ToImmutableSortedDictionary(model => model.Id, create, StringComparer.Ordinal), hub, metrics, logger);

    public RolloutOwner? Find(string modelId) => owners.GetValueOrDefault(modelId);

    public async Task StartAsync(RouteOwner routes)
    {
        routes.WorkerPublished += Watch;
        foreach (var owner in owners.Values) await owner.StartAsync();
    }

    private void Watch(WorkerModel worker)
    {
        metrics.Transition("worker", worker.Spec.ModelId, worker.State.ToString());
        hub.Publish(new AdminEvent("worker", worker.Spec.WorkerId, AdminViews.Of(worker)));
        if (worker.State is not (WorkerState.Broken or WorkerState.Failed)) return;
        if (Find(worker.Spec.ModelId) is not { } owner || owner.Current.Active?.Id != worker.Spec.VersionId || owner.Current.Active.Replaced is null) return;
        _ = RollBackAsync(owner, worker);
    }

    private async Task RollBackAsync(RolloutOwner owner, WorkerModel worker)
    {
        try
        {
            var problem = await owner.RollBackAsync($"Its worker cannot be kept alive: {worker.Reason}", automatic: true, CancellationToken.None);
            if (problem is not null) logger.LogError("{Worker} cannot be rolled back: {Problem}", worker.Spec.WorkerId, problem.Message);
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "The automatic rollback of {Worker} failed.", worker.Spec.WorkerId);
        }
    }
}
