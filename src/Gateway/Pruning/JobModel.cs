using System.Collections.Immutable;
using FinerCut.Gateway.Configuration;
using FinerCut.Jobs;
using FinerCut.Masks;

namespace FinerCut.Gateway.Pruning;

public enum JobState
{
    Queued,
    Running,

    /// <summary>The lean version passed the gate; it is active or on trial, as the model's rollout says, unless the order said otherwise.</summary>
    Passed,

    /// <summary>The gate refused; nothing has changed.</summary>
    Refused,
    Failed,
    Cancelled,
}

/// <summary>What a running job is busy with.</summary>
public enum JobPhase
{
    Pruning,

    /// <summary>The lean version is being brought up and swapped in.</summary>
    Rollout,
}

/// <summary>What an admin ordered; the Worker's <see cref="PruneRequest"/> is made of it.</summary>
public sealed record PruneOrder
{
    public required PruneBudget Budget { get; init; }

    public SearchKind Search { get; init; } = SearchKind.Auto;

    /// <summary>Null = what <see cref="PruneRequest.Measure"/> says.</summary>
    public DistanceKind? Distance { get; init; }

    public DistanceTokens DistanceTokens { get; init; } = DistanceTokens.All;

    public int TopK { get; init; } = PruneRequest.DefaultTopK;

    public HealingKind Healing { get; init; } = HealingKind.Auto;

    public int? MaxHealingTokens { get; init; }
    public ImmutableArray<PruneGrain> Grains { get; init; } = [];

    public int SlicesPerFfn { get; init; }

    public ChannelOrder ChannelOrder { get; init; } = ChannelOrder.Importance;

    public GateThresholds Gate { get; init; } = new();

    public ImmutableArray<string> Keep { get; init; } = [];

    public SublayerKind? Only { get; init; }

    public bool WarmUp { get; init; }

    public int Seed { get; init; } = 1;

    public bool TopUp { get; init; }

    public int? MaxCalibrationTokens { get; init; }

    public int? MaxHeldOutTokens { get; init; }

    public int? MaxSequenceTokens { get; init; }

    public int? MinTokens { get; init; }

    public long? MemoryBytes { get; init; }

    public int? Threads { get; init; }

    /// <summary>Null in an order as it comes (<see cref="Settled"/>).</summary>
    public int? GpuLayers { get; init; }

    /// <summary>Whether a version that passes becomes active at once.</summary>
    public bool Promote { get; init; } = true;

    /// <summary>With what the settings say now of what decides a job's scores: they may change before it begins, goes on, or goes on elsewhere.</summary>
    public PruneOrder Settled(JobsConfig jobs)
    {
        ArgumentNullException.ThrowIfNull(jobs);
        return this with { GpuLayers = GpuLayers ?? jobs.GpuLayers };
    }
}

/// <summary>A prune job. Immutable; <see cref="JobQueue"/> replaces it.</summary>
public sealed record JobModel
{
    public required string Id { get; init; }

    /// <summary>Counts all jobs of this gateway, from 1.</summary>
    public required int Number { get; init; }

    public required string Model { get; init; }

    /// <summary>The version that it makes.</summary>
    public required string Version { get; init; }

    public required JobState State { get; init; }

    public JobPhase? Phase { get; init; }

    public required PruneOrder Order { get; init; }

    /// <summary>Conversations in the two sets; null until they are drawn.</summary>
    public JobTraffic? Traffic { get; init; }

    /// <summary>The last that was heard; not kept over a restart.</summary>
    public PruneProgress? Progress { get; init; }

    /// <summary>Of the search, as far as they were heard, while it runs; not kept over a restart. The result has them all.</summary>
    public ImmutableArray<JobStep> Steps { get; init; } = [];

    public PruneResult? Result { get; init; }

    public JobError? Error { get; init; }

    /// <summary>How often the Worker died of it.</summary>
    public int Deaths { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The machine of a cluster that works on it, or did last.</summary>
    public string? Host { get; init; }

    public bool HasEnded => State is not (JobState.Queued or JobState.Running);

    /// <summary>With what the Worker said last. One that began again tells its steps anew.</summary>
    public JobModel Heard(PruneProgress progress)
    {
        ArgumentNullException.ThrowIfNull(progress);
        return progress is { Removed: { } removed, Distance: { } distance }
            ? this with { Progress = progress, Steps = [.. Steps.TakeWhile(step => step.BytesRemoved < progress.BytesRemoved), new JobStep(removed, distance, progress.BytesRemoved, progress.ElapsedSeconds)] }
            : this with { Progress = progress };
    }

    /// <summary>Without what is heard while it runs.</summary>
    public JobModel Silent() => this with { Progress = null, Steps = [] };
}

/// <summary>One removal, as the running job told it.</summary>
/// <param name="Distance">Of the mask after it, by the job's measure.</param>
/// <param name="BytesRemoved">By this step and those before.</param>
public sealed record JobStep(string Removed, double Distance, long BytesRemoved, double ElapsedSeconds);

public sealed record JobTraffic(int Calibration, int HeldOut);
