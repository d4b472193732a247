using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Rollout;

namespace FinerCut.Cluster.Models;

/// <summary>The versions of models that the cluster owns, for jobs of this machine. Thread-safe.</summary>
internal sealed class ClusterVersions(IGrainFactory grains, ClusterConfig config, LiveConfig live) : IVersionDirectory
{
    /// <summary>Only hosts run jobs: they have the models' files.</summary>
    public IModelVersions? Versions(string modelId) =>
        config.IsHost && live.Find(modelId) is { IsExternal: false } ? new Owned(grains.GetGrain<IModelGrain>(modelId), modelId, live) : null;

    public string NameOf(int job) => $"lean-{job}-{config.Id}";

    private sealed class Owned(IModelGrain grain, string modelId, LiveConfig live) : IModelVersions
    {
        public ModelConfig Model => live.Model(modelId);

        public Task RegisterAsync(VersionModel version, string reason) =>
            grain.RegisterAsync(version.Id, version.State.ToString(), version.Path, version.Bytes, version.JobId, reason);

        public async Task<ApiError?> RollOutAsync(string versionId, string reason, CancellationToken cancellationToken)
        {
            var call = Model.Rollout.Mode == RolloutMode.Direct
                ? grain.PromoteAsync(versionId, isRollback: false, reason)
                : grain.TryAsync(versionId, Model.Rollout.CanaryWeight, reason);
            return await call.WaitAsync(cancellationToken) is { } refusal ? refusal.ToError() : null;
        }
    }
}
