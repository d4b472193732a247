using FinerCut.Gateway.OpenAi;

namespace FinerCut.Gateway.Pruning;

/// <summary>Prune jobs as admins see them, wherever they run: on this machine or in the cluster that it is in.</summary>
public interface IJobDirectory
{
    /// <summary>Oldest first.</summary>
    Task<IReadOnlyList<JobModel>> AllAsync();

    Task<JobModel?> FindAsync(string id);

    /// <summary>The queued job; otherwise why there is none.</summary>
    Task<(JobModel? Job, ApiError? Problem)> OrderAsync(string modelId, PruneOrder order);

    /// <summary>Null when the job is cancelled or about to be; otherwise why it cannot be.</summary>
    Task<ApiError?> CancelAsync(string id);

    /// <summary>The page that the Worker wrote beside the lean file, also where the gate refused; null where it has not come as far.</summary>
    Task<byte[]?> ReportAsync(JobModel job);
}
