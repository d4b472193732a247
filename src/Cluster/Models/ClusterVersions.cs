using FinerCut.Cluster.Hosting;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Rollout;

namespace FinerCut.Cluster.Models;

/// <summary>The versions of models that the cluster owns, for jobs of this machine. Thread-safe.</summary>
internal sealed class ClusterVersions(IGrainFactory grains, ClusterConfig config, LiveConfig live, TimeProvider time) : IVersionDirectory
{
    /// <summary>Only hosts run jobs: they have the models' files.</summary>
    public IModelVersions? Versions(string modelId) =>
        config.IsHost && live.Find(modelId) is { IsExternal: false } ? new Owned(grains.GetGrain<IModelGrain>(modelId), modelId, live, time) : null;

    public string NameOf(int job) => $"lean-{job}-{config.Id}";

    private sealed class Owned(IModelGrain grain, string modelId, LiveConfig live, TimeProvider time) : IModelVersions
    {
        /// <summary>How long what a job of hours found waits for a model's next owner; a new one is there within half a minute.</summary>
        private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

        public ModelConfig Model => live.Model(modelId);

        public Task RegisterAsync(VersionModel version, string reason) => AskAsync(
            async () =>
            {
                await grain.RegisterAsync(version.Id, version.State.ToString(), version.Path, version.Bytes, version.JobId, reason);
                return true;
            },
            CancellationToken.None);

        /// <remarks>Asked again, an owner goes on with the trial that it finds, and has nothing to do where the version is active.</remarks>
        public async Task<ApiError?> RollOutAsync(string versionId, string reason, CancellationToken cancellationToken)
        {
            var refusal = await AskAsync(
                () => (Model.Rollout.Mode == RolloutMode.Direct
                    ? grain.PromoteAsync(versionId, isRollback: false, reason)
                    : grain.TryAsync(versionId, Model.Rollout.CanaryWeight, reason)).WaitAsync(cancellationToken),
                cancellationToken);
            return refusal?.ToError();
        }

        private Task<T> AskAsync<T>(Func<Task<T>> ask, CancellationToken cancellationToken) => OwnedState.AskAsync(ask, time, Patience, unheard: null, cancellationToken);
    }
}
