using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Storage;

namespace FinerCut.Gateway.Pruning;

/// <summary>The jobs of a machine that stands alone. Thread-safe.</summary>
public sealed class LocalJobs(JobQueue queue, IVersionDirectory versions, TrafficExport export, PruneProcess prune, StateFolder state) : IJobDirectory
{
    public Task<IReadOnlyList<JobModel>> AllAsync() => Task.FromResult(queue.All);

    public Task<JobModel?> FindAsync(string id) => Task.FromResult(queue.Find(id));

    public Task<(JobModel? Job, ApiError? Problem)> OrderAsync(string modelId, PruneOrder order)
    {
        var problem = versions.Versions(modelId) is not { } owner ? JobProblems.NoModel
            : export.TooFew(modelId) is { } tooFew ? ApiError.Conflict(tooFew.Message, tooFew.Code)
            : prune.Misfit("the job", owner.Model, order);
        return Task.FromResult<(JobModel?, ApiError?)>(problem is null ? (queue.Add(modelId, order), null) : (null, problem));
    }

    public Task<ApiError?> CancelAsync(string id) => Task.FromResult(queue.Cancel(id));

    public async Task<byte[]?> ReportAsync(JobModel job)
    {
        ArgumentNullException.ThrowIfNull(job);
        var path = JobRunner.ReportPath(state, job);
        return File.Exists(path) ? await File.ReadAllBytesAsync(path) : null;
    }
}

/// <summary>What orders and questions about jobs are refused with, on one machine and on several.</summary>
public static class JobProblems
{
    public static ApiError NoModel { get; } = ApiError.NotFound("There is no such model; GET /admin/models lists them.", "model_not_found");

    public static ApiError NoJob { get; } = ApiError.NotFound("There is no such job; GET /admin/jobs lists them.", "job_not_found");

    public static ApiError Ended(JobModel job)
    {
        ArgumentNullException.ThrowIfNull(job);
        return ApiError.Conflict($"{job.Id} has ended: it {job.State}.", "job_ended");
    }

    /// <summary>A job that an admin ended.</summary>
    public static JobModel Cancelled(JobModel job, DateTimeOffset at)
    {
        ArgumentNullException.ThrowIfNull(job);
        return job with { State = JobState.Cancelled, Phase = null, Error = new("cancelled", "An admin cancelled it."), EndedAt = at };
    }
}
