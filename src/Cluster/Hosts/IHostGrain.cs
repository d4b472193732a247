using FinerCut.Cluster.Models;

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
    /// <summary>Bytes that the worker would take; null where the machine has no file for it.</summary>
    [Alias("forecast")]
    Task<long?> ForecastAsync(WorkerOrder order);

    [Alias("start"), ResponseTimeout("00:30:00")]
    Task<StartOutcome> StartAsync(WorkerOrder order);

    [Alias("stop"), ResponseTimeout("00:05:00")]
    Task StopAsync(WorkerOrder order);
}

/// <summary>
/// The one owner of one machine's memory in the cluster: models that want a place ask here, one after the other, so that two never get the same
/// bytes.
/// </summary>
[Alias("finercut.host")]
public interface IHostGrain : IGrainWithStringKey
{
    /// <summary>The host's process says that it is there and what it holds. Every second.</summary>
    [Alias("join")]
    Task JoinAsync(HostCard card, IHostPort port);

    [Alias("start"), ResponseTimeout("00:30:00")]
    Task<StartOutcome> StartAsync(WorkerOrder order);

    [Alias("stop"), ResponseTimeout("00:05:00")]
    Task StopAsync(WorkerOrder order);

    /// <summary>Null while the host is not there.</summary>
    [Alias("read")]
    Task<HostCard?> ReadAsync();
}
