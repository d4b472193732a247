using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.OpenAi;

namespace FinerCut.Gateway.Rollout;

/// <summary>A model's versions, as a job needs them, whoever owns them: this gateway or the cluster that it is in.</summary>
public interface IModelVersions
{
    /// <summary>As the settings have it now.</summary>
    ModelConfig Model { get; }

    /// <summary>A version whose file a job has written, or (refused) would have. One that is known already stays as it is.</summary>
    Task RegisterAsync(VersionModel version, string reason);

    /// <summary>As the settings say: active at once, or on trial first. Null when done; otherwise why not, and nothing has changed.</summary>
    Task<ApiError?> RollOutAsync(string versionId, string reason, CancellationToken cancellationToken);
}

/// <summary>Finds models' versions.</summary>
public interface IVersionDirectory
{
    /// <summary>Null where the model is not in the settings, or has no versions (its destinations are elsewhere).</summary>
    IModelVersions? Versions(string modelId);

    /// <summary>The id of the version that a job makes; no other job of any machine makes the same.</summary>
    /// <param name="job">The job's number, on this machine or in its cluster.</param>
    string NameOf(int job);
}
