using System.Collections.Immutable;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Telemetry;
using FinerCut.Gateway.Workers;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Rollout;

/// <summary>All models' rollouts; also watches over active versions, and leaves one whose worker cannot be kept alive.</summary>
public sealed class Rollouts(ImmutableSortedDictionary<string, RolloutOwner> owners, EventHub hub, GatewayMetrics metrics, ILogger<Rollouts> logger) : IVersionDirectory
{
    public IEnumerable<RolloutOwner> All => owners.Values;

    public static Rollouts Of(GatewayConfig config, Func<string, RolloutOwner> create, EventHub hub, GatewayMetrics metrics, ILogger<Rollouts> logger) =>
        new(config.Models.Where(model => !model.IsExternal).ToImmutableSortedDictionary(model => model.Id, model => create(model.Id), StringComparer.Ordinal), hub, metrics, logger);

    public RolloutOwner? Find(string modelId) => owners.GetValueOrDefault(modelId);

    public IModelVersions? Versions(string modelId) => Find(modelId);

    public string NameOf(int job) => $"lean-{job}";

    public async Task StartAsync(RouteOwner routes)
    {
        routes.WorkerPublished += Watch;
        foreach (var owner in owners.Values) await owner.StartAsync();
    }

    private void Watch(WorkerModel worker)
    {
        metrics.Transition("worker", worker.Spec.ModelId, worker.State.ToString());
        if (worker is { State: WorkerState.Ready, LoadTime: { } took }) metrics.Loaded(worker.Spec.ModelId, worker.Spec.VersionId, took);
        hub.Publish(new AdminEvent("worker", worker.Spec.WorkerId, AdminViews.Of(worker)));
        if (worker.State is not (WorkerState.Broken or WorkerState.Failed)) return;
        if (Find(worker.Spec.ModelId) is not { } owner) return;
        var current = owner.Current;
        if (current.OnTrial?.Id == worker.Spec.VersionId || (current.Active?.Id == worker.Spec.VersionId && current.Active.Replaced is not null)) _ = LeaveAsync(owner, worker);
    }

    private async Task LeaveAsync(RolloutOwner owner, WorkerModel worker)
    {
        try
        {
            var reason = $"Its worker cannot be kept alive: {worker.Reason}";
            var problem = await owner.AbandonAsync(worker.Spec.VersionId, reason, CancellationToken.None);
            if (owner.Current.Active?.Id == worker.Spec.VersionId)
            {
                // A trial that runs beside a dead active version has nothing to be compared with.
                if (owner.Current.OnTrial is { } tried) await owner.AbandonAsync(tried.Id, $"The active version is left. {reason}", CancellationToken.None);
                problem = await owner.RollBackAsync(reason, automatic: true, CancellationToken.None);
            }

            if (problem is not null) logger.LogError("{Worker} cannot be rolled back: {Problem}", worker.Spec.WorkerId, problem.Message);
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "The automatic rollback of {Worker} failed.", worker.Spec.WorkerId);
        }
    }
}
