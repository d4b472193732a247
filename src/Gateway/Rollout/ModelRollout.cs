using System.Collections.Immutable;

namespace FinerCut.Gateway.Rollout;

/// <summary>One GGUF of a model. Immutable.</summary>
/// <param name="JobId">The job that made it; null for the file of the settings.</param>
public sealed record VersionModel(string Id, VersionState State, string Path, long Bytes, string? JobId, DateTimeOffset Since)
{
    /// <summary>The version that was active before this one was promoted: where a rollback leads.</summary>
    public string? Replaced { get; init; }
}

/// <summary>One row of a model's history.</summary>
/// <param name="Was">Null where the version begins.</param>
public sealed record VersionTransition(string VersionId, VersionState? Was, VersionState State, string Event, string? Reason, DateTimeOffset At);

public sealed record RolloutChange(ModelRollout Next, ImmutableArray<VersionTransition> Transitions);

/// <summary>All versions of one model. Immutable; every change yields a new one and the transitions that lead to it.</summary>
public sealed record ModelRollout(string ModelId, ImmutableSortedDictionary<string, VersionModel> Versions)
{
    public static ModelRollout Empty(string modelId) => new(modelId, ImmutableSortedDictionary.Create<string, VersionModel>(StringComparer.Ordinal));

    /// <summary>The version that new requests go to; null only before the first one is there.</summary>
    public VersionModel? Active => Versions.Values.SingleOrDefault(version => version.State == VersionState.Active);

    /// <summary>The version that is tried beside it; null where there is none.</summary>
    public VersionModel? OnTrial => Versions.Values.SingleOrDefault(version => version.State is VersionState.Shadowing or VersionState.Canary or VersionState.Held);

    /// <summary>
    /// Versions whose files are not needed: neither in use, nor under way, nor where a rollback of the active one leads, nor among the newest
    /// <paramref name="keep"/> of the others. The file of the settings is never among them.
    /// </summary>
    public IEnumerable<VersionModel> Superfluous(int keep) => Versions.Values
        .Where(version => version.JobId is not null && version.Id != Active?.Replaced && VersionTransitions.Next(version.State, VersionEvent.FileRemoved) is not null)
        .OrderByDescending(version => version.Since).ThenByDescending(version => version.Id, StringComparer.Ordinal).Skip(keep);

    /// <summary>Begins a trial of a staged version. Null where the table does not allow it, or another version is on trial.</summary>
    public RolloutChange? Try(string versionId, bool shadow, string? reason, DateTimeOffset now) =>
        OnTrial is null ? Apply(versionId, shadow ? VersionEvent.ShadowBegun : VersionEvent.CanaryBegun, reason, now) : null;

    /// <summary>Adds a version. A first version is active at once: there is nothing to swap.</summary>
    public RolloutChange Register(VersionModel version, string? reason, DateTimeOffset now)
    {
        var state = Versions.Count == 0 ? VersionState.Active : version.State;
        var next = this with { Versions = Versions.SetItem(version.Id, version with { State = state, Since = now }) };
        return new RolloutChange(next, [new VersionTransition(version.Id, null, state, "Registered", reason, now)]);
    }

    /// <summary>Null where the table does not allow it.</summary>
    public RolloutChange? Apply(string versionId, VersionEvent happened, string? reason, DateTimeOffset now)
    {
        if (!Versions.TryGetValue(versionId, out var version) || VersionTransitions.Next(version.State, happened) is not { } state) return null;
        var next = this with { Versions = Versions.SetItem(versionId, version with { State = state, Since = now }) };
        return new RolloutChange(next, [new VersionTransition(versionId, version.State, state, happened.ToString(), reason, now)]);
    }

    /// <summary>The swap: a staged version becomes active and the active one leaves, in one change. Null where the table does not allow both.</summary>
    /// <param name="versionId">Must be staged.</param>
    /// <param name="isRollback">The active one leaves because it is not good.</param>
    public RolloutChange? Promote(string versionId, bool isRollback, string? reason, DateTimeOffset now)
    {
        // A version on trial is promoted or left before another one takes the active one's place.
        if (Active is not { } active || (OnTrial is { } tried && tried.Id != versionId)) return null;
        var left = Apply(active.Id, isRollback ? VersionEvent.RolledBack : VersionEvent.Replaced, reason, now);
        var taken = left?.Next.Apply(versionId, VersionEvent.Promoted, reason, now);
        if (taken is null) return null;
        // A rollback restores what the older version itself would roll back to, so that two versions never point at each other.
        var next = isRollback
            ? taken.Next
            : taken.Next with { Versions = taken.Next.Versions.SetItem(versionId, taken.Next.Versions[versionId] with { Replaced = active.Id }) };
        return new RolloutChange(next, [.. left!.Transitions, .. taken.Transitions]);
    }

    /// <summary>What the state is after the gateway came up again; no transitions where nothing was under way.</summary>
    public RolloutChange Restart(DateTimeOffset now) => Versions.Keys.Aggregate(new RolloutChange(this, []), (change, id) =>
        change.Next.Apply(id, VersionEvent.Restarted, "The gateway was restarted.", now) is { } next
            ? new RolloutChange(next.Next, [.. change.Transitions, .. next.Transitions])
            : change);
}
