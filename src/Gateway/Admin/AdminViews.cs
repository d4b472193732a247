using System.Collections.Immutable;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Workers;

namespace FinerCut.Gateway.Admin;

/// <summary>What the admin endpoints show, snake case. Keys of workers are left out.</summary>
public sealed record WorkerView(
    string Worker, string Model, string Version, WorkerState State, DateTimeOffset Since)
{
    public int Generation { get; init; }

    public int? ProcessId { get; init; }

    public string? Address { get; init; }

    public int RecentDeaths { get; init; }

    public string? Reason { get; init; }

    public DateTimeOffset? RetryAt { get; init; }

    /// <summary>Requests that it is answering; null in events.</summary>
    public int? InFlight { get; init; }
}

public sealed record VersionView(string Version, VersionState State, string Path, long Bytes, DateTimeOffset Since)
{
    public string? Job { get; init; }

    public string? Replaced { get; init; }
}

public sealed record TransitionView(string Model, string Version, VersionState? Was, VersionState State, string Event, string? Reason, DateTimeOffset At);

public sealed record ModelView(string Model, string? Active, ImmutableArray<VersionView> Versions, ImmutableArray<TransitionView> History);

public static class AdminViews
{
    public static WorkerView Of(WorkerModel worker, int? inFlight = null) =>
        new(worker.Spec.WorkerId, worker.Spec.ModelId, worker.Spec.VersionId, worker.State, worker.Since)
        {
            Generation = worker.Generation,
            ProcessId = worker.ProcessId,
            Address = worker.Address?.Url,
            RecentDeaths = worker.Deaths.Length,
            Reason = worker.Reason,
            RetryAt = worker.RetryAt,
            InFlight = inFlight,
        };

    public static TransitionView Of(string modelId, VersionTransition transition) =>
        new(modelId, transition.VersionId, transition.Was, transition.State, transition.Event, transition.Reason, transition.At);

    public static VersionView Of(VersionModel version) => new(version.Id, version.State, version.Path, version.Bytes, version.Since)
    {
        Job = version.JobId,
        Replaced = version.Replaced,
    };

    public static ModelView Of(ModelRollout rollout, IEnumerable<VersionTransition> history) => new(
        rollout.ModelId,
        rollout.Active?.Id,
        [.. rollout.Versions.Values.Select(Of)],
        [.. history.Select(transition => Of(rollout.ModelId, transition))]);
}
