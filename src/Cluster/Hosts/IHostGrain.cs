using FinerCut.Cluster.Jobs;
using FinerCut.Cluster.Models;
using Orleans.CodeGeneration;

namespace FinerCut.Cluster.Hosts;

/// <summary>What came of starting a worker.</summary>
[GenerateSerializer, Immutable, Alias("finercut.start-outcome")]
public sealed record StartOutcome
{
    /// <summary>Null where it is up and has answered a probe.</summary>
    [Id(0)] public Refusal? Problem { get; init; }

    [Id(1)] public WorkerNews? Worker { get; init; }
}

/// <summary>One entry of a machine's memory ledger.</summary>
[GenerateSerializer, Immutable, Alias("finercut.memory-note")]
public sealed record MemoryNote
{
    [Id(0)] public required string Id { get; init; }

    [Id(1)] public required string ModelId { get; init; }

    [Id(2)] public required long Bytes { get; init; }
}

/// <summary>A machine's memory as its process sees it.</summary>
[GenerateSerializer, Immutable, Alias("finercut.host-card")]
public sealed record HostCard
{
    [Id(0)] public required string Host { get; init; }

    [Id(1)] public required long LimitBytes { get; init; }

    [Id(2)] public required MemoryNote[] Held { get; init; }
}

/// <summary>A host's process.</summary>
[Alias("finercut.host-port")]
public interface IHostPort : IGrainObserver
{
    /// <summary>Bytes that the worker would take; null where the machine has no file for it and none is to be had. Fetches the file where it is missing.</summary>
    [Alias("forecast"), ResponseTimeout("00:30:00")]
    Task<long?> ForecastAsync(WorkerOrder order);

    [Alias("start"), ResponseTimeout("00:30:00")]
    Task<StartOutcome> StartAsync(WorkerOrder order);

    [Alias("stop"), ResponseTimeout("00:05:00")]
    Task StopAsync(WorkerOrder order);

    /// <summary>A piece of a model file, by its content's SHA-256; null where the machine has none.</summary>
    [Alias("read-file")]
    Task<byte[]?> ReadFileAsync(string sha256, long offset, int length);
}

/// <summary>
/// The one owner of one machine's memory in the cluster: models that want a place ask here, one after the other, so that two never get the same
/// bytes.
/// </summary>
[Alias("finercut.host"), Version(1)]
public interface IHostGrain : IGrainWithStringKey
{
    /// <summary>The host's process says that it is there and what it holds. Every second.</summary>
    [Alias("join")]
    Task JoinAsync(HostCard card, IHostPort port);

    [Alias("start"), ResponseTimeout("00:30:00")]
    Task<StartOutcome> StartAsync(WorkerOrder order);

    [Alias("stop"), ResponseTimeout("00:05:00")]
    Task StopAsync(WorkerOrder order);

    [Alias("read-file")]
    Task<byte[]?> ReadFileAsync(string sha256, long offset, int length);

    /// <summary>The host's process says that it takes jobs. Every second.</summary>
    [Alias("work")]
    Task WorkAsync(IJobPort port);

    /// <summary>Null where the host works on it now.</summary>
    [Alias("begin-job")]
    Task<Refusal?> BeginJobAsync(JobOrder order);

    [Alias("score"), ResponseTimeout("00:10:00")]
    Task<ScorerOutcome> ScoreAsync(ScorerOrder order);

    [Alias("end-score")]
    Task EndScoreAsync(string job);

    [Alias("cancel-job")]
    Task CancelJobAsync(string job);

    /// <summary>Null while the host is not there.</summary>
    [Alias("read")]
    Task<HostCard?> ReadAsync();
}
