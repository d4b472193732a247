using FinerCut.Gateway.OpenAi;
using Orleans.Runtime;

namespace FinerCut.Cluster.Models;

/// <summary>A model as a host's settings have it. Version 1; members are only ever added.</summary>
[GenerateSerializer, Immutable, Alias("finercut.model-card")]
public sealed record ModelCard
{
    [Id(0)] public required string ModelId { get; init; }

    /// <summary>Of the settings' file, on the host that tells.</summary>
    [Id(1)] public required string Path { get; init; }

    [Id(2)] public required long Bytes { get; init; }

    [Id(3)] public required int ContextSize { get; init; }

    [Id(4)] public required int Parallel { get; init; }

    [Id(5)] public required int Threads { get; init; }

    /// <summary>Hosts that serve it at the same time.</summary>
    [Id(6)] public required int Replicas { get; init; }

    [Id(7)] public required TimeSpan DrainTimeout { get; init; }

    /// <summary>During a trial all requests of one key stay on one version; otherwise all turns of one conversation.</summary>
    [Id(8)] public required bool StickyByKey { get; init; }
}

/// <summary>A version's worker that a host is to start.</summary>
[GenerateSerializer, Immutable, Alias("finercut.worker-order")]
public sealed record WorkerOrder
{
    [Id(0)] public required string ModelId { get; init; }

    [Id(1)] public required string VersionId { get; init; }

    /// <summary>Where the version's file lies on the machine that made it; a host looks in its own folders first.</summary>
    [Id(2)] public required string Path { get; init; }

    /// <summary>Of the version's file, lower-case hex; null where no host has told it yet.</summary>
    [Id(3)] public string? Sha256 { get; init; }

    [Id(4)] public long Bytes { get; init; }

    /// <summary>Hosts that have the file.</summary>
    [Id(5)] public string[] Sources { get; init; } = [];

    /// <summary>As <see cref="FileNote.Parts"/>.</summary>
    [Id(6)] public FilePart[] Parts { get; init; } = [];

    public string WorkerId => ModelId + "/" + VersionId;
}

/// <summary>How one host's worker stands.</summary>
[GenerateSerializer, Immutable, Alias("finercut.worker-news")]
public sealed record WorkerNews
{
    [Id(0)] public required string Host { get; init; }

    [Id(1)] public required SiloAddress Silo { get; init; }

    [Id(2)] public required string ModelId { get; init; }

    [Id(3)] public required string VersionId { get; init; }

    /// <summary>A name of <see cref="FinerCut.Gateway.Workers.WorkerState"/>.</summary>
    [Id(4)] public required string State { get; init; }

    /// <summary>Null unless ready.</summary>
    [Id(5)] public string? Url { get; init; }

    /// <summary>Bearer token that the worker asks for.</summary>
    [Id(6)] public string? Key { get; init; }

    /// <summary>Grows with every worker that the host's process gives the version.</summary>
    [Id(7)] public long Incarnation { get; init; }

    /// <summary>Counts the starts of that worker.</summary>
    [Id(8)] public int Generation { get; init; }

    [Id(9)] public string? Reason { get; init; }

    [Id(10)] public DateTimeOffset? RetryAt { get; init; }

    public bool IsReady => Url is not null;

    /// <summary>Leaves the key out: records print all their members, and this one ends in logs.</summary>
    public override string ToString() => $"{ModelId}/{VersionId} on {Host}: {State}";
}

/// <summary>What a host says of itself to a model, every second.</summary>
[GenerateSerializer, Immutable, Alias("finercut.host-report")]
public sealed record HostReport
{
    [Id(0)] public required string Host { get; init; }

    [Id(1)] public required SiloAddress Silo { get; init; }

    [Id(2)] public required long LimitBytes { get; init; }

    [Id(3)] public required long HeldBytes { get; init; }

    [Id(4)] public required ModelCard Card { get; init; }

    /// <summary>All workers of the model on this host.</summary>
    [Id(5)] public required WorkerNews[] Workers { get; init; }

    /// <summary>Files of the model's versions on this host.</summary>
    [Id(6)] public FileNote[] Files { get; init; } = [];
}

/// <summary>A version's file, whole on the host that tells.</summary>
[GenerateSerializer, Immutable, Alias("finercut.file-note")]
public sealed record FileNote
{
    [Id(0)] public required string VersionId { get; init; }

    /// <summary>Lower-case hex; of several files the hash of their hashes' text.</summary>
    [Id(1)] public required string Sha256 { get; init; }

    /// <summary>Of all its files.</summary>
    [Id(2)] public required long Bytes { get; init; }

    /// <summary>Of a split model its files in their order; empty where it is one file.</summary>
    [Id(3)] public FilePart[] Parts { get; init; } = [];
}

/// <summary>One file of a split model.</summary>
[GenerateSerializer, Immutable, Alias("finercut.file-part")]
public sealed record FilePart
{
    /// <summary>Lower-case hex.</summary>
    [Id(0)] public required string Sha256 { get; init; }

    [Id(1)] public required long Bytes { get; init; }
}

/// <summary>The share of a version on trial, as <see cref="FinerCut.Gateway.Routing.TrialShare"/>.</summary>
[GenerateSerializer, Immutable, Alias("finercut.trial-note")]
public sealed record TrialNote
{
    [Id(0)] public required string VersionId { get; init; }

    [Id(1)] public required double Weight { get; init; }

    [Id(2)] public required string Salt { get; init; }
}

/// <summary>Where one model's requests go. <see cref="Number"/> only ever grows, whichever machine owns the model.</summary>
[GenerateSerializer, Immutable, Alias("finercut.route-table")]
public sealed record RouteTable
{
    [Id(0)] public required string ModelId { get; init; }

    [Id(1)] public required long Number { get; init; }

    [Id(2)] public required string Active { get; init; }

    [Id(3)] public TrialNote? Trial { get; init; }

    [Id(4)] public required bool StickyByKey { get; init; }

    /// <summary>Workers of the active version and of the one on trial; those that take requests have an address.</summary>
    [Id(5)] public required WorkerNews[] Workers { get; init; }
}

/// <summary>Why something was not done, as <see cref="FinerCut.Gateway.OpenAi.ApiError"/>.</summary>
[GenerateSerializer, Immutable, Alias("finercut.refusal")]
public sealed record Refusal
{
    [Id(0)] public required int Status { get; init; }

    [Id(1)] public required string Code { get; init; }

    [Id(2)] public required string Message { get; init; }

    public ApiError ToError() => new(Status, Message, Status < 500 ? "invalid_request_error" : "server_error", Code);
}

/// <summary>All that is known of a model.</summary>
[GenerateSerializer, Immutable, Alias("finercut.model-book")]
public sealed record ModelBook
{
    /// <summary>As <see cref="ModelDocument"/> writes it; empty before the first host has told of the model.</summary>
    [Id(0)] public required string Document { get; init; }

    [Id(1)] public required HostReport[] Hosts { get; init; }

    [Id(2)] public required string[] Edges { get; init; }

    [Id(3)] public required long Number { get; init; }

    /// <summary>The machine that owns the model now.</summary>
    [Id(4)] public required string Owner { get; init; }
}
