namespace FinerCut.Gateway.Rollout;

/// <summary>Where a version of a model stands.</summary>
public enum VersionState
{
    /// <summary>Its file is there; it has never served.</summary>
    Registered,

    /// <summary>Its worker is being started beside the active one.</summary>
    Staging,

    /// <summary>Its worker is healthy and has answered a probe; no client's request goes there yet.</summary>
    Staged,

    /// <summary>On trial: copies of requests go to it, no request of its own. At most one version a model is on trial.</summary>
    Shadowing,

    /// <summary>On trial: a share of the requests goes to it, until the evidence decides.</summary>
    Canary,

    /// <summary>On trial: keeps its share; no evidence promotes it, only a hand.</summary>
    Held,

    /// <summary>New requests go to it. One version a model.</summary>
    Active,

    /// <summary>Replaced; the streams that began on it are finishing.</summary>
    Draining,

    /// <summary>Replaced and stopped; its file is kept.</summary>
    Retired,

    /// <summary>Was active or on trial and is left because it was not good; its streams are finishing.</summary>
    RollingBack,

    /// <summary>Was active or on trial, was left because it was not good; stopped, its file is kept.</summary>
    RolledBack,

    /// <summary>The gate refused it; there is no file.</summary>
    Refused,

    /// <summary>Its worker did not come up or did not answer the probe.</summary>
    Failed,

    /// <summary>Its file was removed, newer versions having come.</summary>
    Removed,
}

public enum VersionEvent
{
    /// <summary>Somebody wants it active.</summary>
    StageAsked,

    ProbePassed,

    StageFailed,

    ShadowBegun,

    CanaryBegun,

    /// <summary>Somebody stopped the automatic promotion.</summary>
    HoldAsked,

    /// <summary>Somebody let it go on.</summary>
    Resumed,

    Promoted,

    /// <summary>Another version was promoted.</summary>
    Replaced,

    /// <summary>It is left because it was not good, or because somebody said so.</summary>
    RolledBack,

    /// <summary>The last stream has ended, or was ended.</summary>
    Drained,

    /// <summary>The gateway came up again: what was under way has ended with the old process. Trials go on.</summary>
    Restarted,

    FileRemoved,
}

/// <summary>
/// THE table of the rollout: what follows what. Nothing else decides about states; <see cref="ModelRollout"/> applies it to all versions of a
/// model at once, and the one writer makes it so.
/// </summary>
public static class VersionTransitions
{
    /// <summary>Null where the event means nothing in that state.</summary>
    public static VersionState? Next(VersionState state, VersionEvent happened) => (state, happened) switch
    {
        // A version that is still finishing streams may come back at once: that is what makes a rollback fast.
        (VersionState.Registered or VersionState.Retired or VersionState.RolledBack or VersionState.Failed
            or VersionState.Draining or VersionState.RollingBack, VersionEvent.StageAsked) => VersionState.Staging,
        (VersionState.Staging, VersionEvent.ProbePassed) => VersionState.Staged,
        (VersionState.Staging or VersionState.Staged, VersionEvent.StageFailed) => VersionState.Failed,
        (VersionState.Staged, VersionEvent.ShadowBegun) => VersionState.Shadowing,
        (VersionState.Staged or VersionState.Shadowing, VersionEvent.CanaryBegun) => VersionState.Canary,
        (VersionState.Shadowing or VersionState.Canary, VersionEvent.HoldAsked) => VersionState.Held,
        (VersionState.Held, VersionEvent.Resumed) => VersionState.Canary,
        (VersionState.Staged or VersionState.Shadowing or VersionState.Canary or VersionState.Held, VersionEvent.Promoted) => VersionState.Active,
        (VersionState.Shadowing or VersionState.Canary or VersionState.Held, VersionEvent.RolledBack) => VersionState.RollingBack,
        (VersionState.Active, VersionEvent.Replaced) => VersionState.Draining,
        (VersionState.Active, VersionEvent.RolledBack) => VersionState.RollingBack,
        (VersionState.Draining, VersionEvent.Drained) => VersionState.Retired,
        (VersionState.RollingBack, VersionEvent.Drained) => VersionState.RolledBack,
        (VersionState.Staging or VersionState.Staged, VersionEvent.Restarted) => VersionState.Registered,
        (VersionState.Draining, VersionEvent.Restarted) => VersionState.Retired,
        (VersionState.RollingBack, VersionEvent.Restarted) => VersionState.RolledBack,
        (VersionState.Registered or VersionState.Retired or VersionState.RolledBack or VersionState.Failed, VersionEvent.FileRemoved) => VersionState.Removed,
        _ => null,
    };
}
