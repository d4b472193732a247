using System.Collections.Immutable;
using FinerCut.Gateway.Access.Administration;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.Pruning;
using FinerCut.Gateway.Recording;

namespace FinerCut.Gateway.OpenApi;

// What admin endpoints write as anonymous objects, or read member by member: named here for the reference, and held to the truth by ApiDocumentTests.
internal sealed record ModelList(ImmutableArray<ModelView> Models);

internal sealed record WorkerList(ImmutableArray<WorkerView> Workers);

internal sealed record JobList(ImmutableArray<JobModel> Jobs);

internal sealed record KeyList(ImmutableArray<KeyView> Keys);

internal sealed record MemoryLedgerView(long Limit, long Held, long Free, ImmutableArray<MemoryEntryView> Entries);

internal sealed record PurgeView(string Model, long Purged);

internal sealed record AuditView(string Model, ImmutableArray<RecordingUse> Uses);

internal sealed record RecordingSwitch
{
    public required bool Enabled { get; init; }
}

internal sealed record VersionChoice
{
    public required string Version { get; init; }
}

internal sealed record TrialChoice
{
    public required string Version { get; init; }

    public double? Weight { get; init; }
}

/// <summary>Members that are absent leave what is there; null clears a limit or the expiry.</summary>
internal sealed record KeyOrder(
    string? Name, DateTimeOffset? ExpiresAt, bool? Disabled, bool? Recording, int? Weight, PriorityClass? Priority, ImmutableArray<string>? Scopes, ImmutableArray<string>? Models, KeyLimits? Limits);
