using System.Collections.Immutable;
using FinerCut.Gateway.Configuration;

namespace FinerCut.Gateway.Workers;

/// <summary>Where a worker stands. <see cref="WorkerTransitions"/> says what may follow what.</summary>
public enum WorkerState
{
    /// <summary>The process is being started; its socket does not listen yet.</summary>
    Starting,

    /// <summary>Listening; the model is being loaded.</summary>
    Loading,

    Ready,

    /// <summary>Died; the next start waits for the back-off.</summary>
    BackingOff,

    /// <summary>Died too often: the breaker is open until its pause is over.</summary>
    Broken,

    /// <summary>Told to stop.</summary>
    Stopping,

    /// <summary>Gone, as asked.</summary>
    Stopped,

    /// <summary>Cannot be started: the program or the model file is at fault, so trying again would not help.</summary>
    Failed,
}

/// <summary>What a worker serves.</summary>
/// <param name="ModelId">The alias that clients send.</param>
public sealed record WorkerSpec(string ModelId, string VersionId, string ModelPath, int ContextSize, int Parallel, int Threads)
{
    public string WorkerId => ModelId + "/" + VersionId + (Destination is null ? "" : "/" + Destination);

    public DeviceConfig Device { get; init; } = new();

    /// <summary>Name of an external destination; null for a worker of this gateway.</summary>
    public string? Destination { get; init; }

    /// <summary>Grows with every owner that a worker gets, so that news of an earlier owner is told from news of the present one.</summary>
    public long Incarnation { get; init; }
}

/// <summary>A snapshot of one worker. Immutable.</summary>
public sealed record WorkerModel(WorkerSpec Spec, WorkerState State, DateTimeOffset Since)
{
    /// <summary>Counts the starts of this worker, from 1.</summary>
    public int Generation { get; init; }

    /// <summary>Null unless ready.</summary>
    public WorkerAddress? Address { get; init; }

    public int? ProcessId { get; init; }

    /// <summary>From its start to its first healthy answer; null until it was ready once.</summary>
    public TimeSpan? LoadTime { get; init; }

    /// <summary>Times of the deaths within the breaker's window.</summary>
    public ImmutableArray<DateTimeOffset> Deaths { get; init; } = [];

    /// <summary>Why the worker died last or failed; null when nothing is wrong.</summary>
    public string? Reason { get; init; }

    /// <summary>When the next start is tried; null unless backing off or broken.</summary>
    public DateTimeOffset? RetryAt { get; init; }
}

/// <param name="Key">Sent as bearer token; known to this gateway and that process only.</param>
public sealed record WorkerAddress(string Url, string Key)
{
    /// <summary>Leaves the key out: records print all their members, and this one ends in logs.</summary>
    public override string ToString() => Url;
}

/// <summary>Told of every change of a worker, in order, by the worker's one owner. Must not block or throw.</summary>
public interface IWorkerObserver
{
    void Changed(WorkerModel worker);
}
