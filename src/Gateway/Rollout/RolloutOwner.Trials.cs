using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Rollout.Trials;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Storage;

namespace FinerCut.Gateway.Rollout;

/// <summary>The part that tries a version before it is promoted: shadow, canary, hold; by hand or by <see cref="TrialTest"/>.</summary>
public sealed partial class RolloutOwner
{
    /// <summary>Begins a trial, or sets the weight of the one that runs. Null when done.</summary>
    /// <param name="versionId">To be tried.</param>
    /// <param name="weight">0 to 1: begin as canary with this weight; null: as the settings say.</param>
    /// <param name="reason">For the history.</param>
    /// <param name="cancellationToken">Ends the staging.</param>
    public async Task<ApiError?> TryAsync(string versionId, double? weight, string reason, CancellationToken cancellationToken)
    {
        await _oneSwap.WaitAsync(cancellationToken);
        try
        {
            if (_current.Active?.Id == versionId) return weight is null ? null : ApiError.Conflict($"Version {versionId} is active: it has all requests.", "version_state");
            if (_current.OnTrial is { } tried)
            {
                if (tried.Id != versionId) return TrialRuns(tried);
                if (weight is not { } given) return null;
                journal.SetWeight(Model.Id, versionId, given);
                if (tried.State == VersionState.Shadowing) return await StepAsync(versionId, VersionEvent.CanaryBegun, reason);
                await ShareTrialAsync(tried);
                return null;
            }

            // Both answer during a trial, so the active one must be loaded.
            if (_asleep) await StartActiveAsync();
            if (_asleep) return ApiError.Conflict($"The active version of {Model.Id} cannot be loaded now, and a trial needs both. GET /admin/memory shows what there is.", "active_not_loaded");
            if (await StageAsync(versionId, reason, cancellationToken) is { } problem) return problem;
            journal.SetWeight(Model.Id, versionId, weight ?? Model.Rollout.CanaryWeight);
            var shadow = weight is null && Model.Rollout.ShadowShare > 0;
            Change(rollout => rollout.Try(versionId, shadow, reason, Now()));
            await BeginStageOfTrialAsync();
            return null;
        }
        finally
        {
            _oneSwap.Release();
        }
    }

    /// <summary>Stops the automatic promotion; the trial's version keeps its share and its evidence still can roll it back.</summary>
    public Task<ApiError?> HoldAsync(string reason, CancellationToken cancellationToken) => StepAloneAsync(null, VersionEvent.HoldAsked, reason, cancellationToken);

    public Task<ApiError?> ResumeAsync(string reason, CancellationToken cancellationToken) => StepAloneAsync(null, VersionEvent.Resumed, reason, cancellationToken);

    /// <summary>Ends the trial of a version: its streams finish, then its worker stops. Null when done, also when it is not on trial any more.</summary>
    public async Task<ApiError?> AbandonAsync(string versionId, string reason, CancellationToken cancellationToken)
    {
        await _oneSwap.WaitAsync(cancellationToken);
        try
        {
            if (_current.OnTrial is not { } tried || tried.Id != versionId) return null;
            Change(rollout => rollout.Apply(versionId, VersionEvent.RolledBack, reason, Now()));
            trials.End(Model.Id);
            await routes.ShareAsync(Model.Id, new ModelShare(_current.Active!.Id) { Asleep = _asleep });
            BeginDrain(tried);
            return null;
        }
        finally
        {
            _oneSwap.Release();
        }
    }

    private async Task<ApiError?> StepAloneAsync(string? versionId, VersionEvent step, string reason, CancellationToken cancellationToken)
    {
        await _oneSwap.WaitAsync(cancellationToken);
        try
        {
            if (_current.OnTrial is not { } tried) return ApiError.Conflict($"No version of {Model.Id} is on trial.", "no_trial");
            return versionId is not null && tried.Id != versionId ? null : await StepAsync(tried.Id, step, reason);
        }
        finally
        {
            _oneSwap.Release();
        }
    }

    /// <summary>One caller at a time.</summary>
    private async Task<ApiError?> StepAsync(string versionId, VersionEvent step, string reason)
    {
        var was = _current.Versions[versionId].State;
        if (!Change(rollout => rollout.Apply(versionId, step, reason, Now()))) return ApiError.Conflict($"Version {versionId} is {was}: that has no meaning now.", "version_state");
        await BeginStageOfTrialAsync();
        return null;
    }

    /// <summary>Evidence begins anew with each stage: what was seen under other conditions says nothing of these.</summary>
    private async Task BeginStageOfTrialAsync()
    {
        var tried = _current.OnTrial!;
        trials.Begin(Model.Id, new TrialState(
            tried.Id,
            tried.State,
            Model.Rollout,
            verdict => _ = ActAsync(tried.Id, verdict),
            () => _ = StepAloneAsync(tried.Id, VersionEvent.HoldAsked, $"Undecided after {Model.Rollout.Longest.TotalSeconds} s (Rollout:LongestSeconds).", CancellationToken.None),
            _time));
        await ShareTrialAsync(tried);
    }

    private Task ShareTrialAsync(VersionModel tried)
    {
        var rollout = Model.Rollout;
        var weight = tried.State == VersionState.Shadowing ? 0 : journal.Weight(Model.Id, tried.Id) ?? rollout.CanaryWeight;
        // The time of the version's registration is as good a salt as any: known after a restart, and not to clients.
        return routes.ShareAsync(Model.Id, new ModelShare(_current.Active!.Id)
        {
            Asleep = _asleep,
            Trial = new TrialShare(tried.Id, weight, rollout.ShadowShare, rollout.Sticky, $"{Model.Id}/{tried.Id}/{journal.History(Model.Id, tried.Id)[0].At.ToUnixTimeMilliseconds()}"),
        });
    }

    private Task<ApiError?> ActAsync(string versionId, TrialVerdict verdict) => verdict.Step switch
    {
        TrialStep.BeginCanary => StepAloneAsync(versionId, VersionEvent.CanaryBegun, verdict.Reason!, CancellationToken.None),
        TrialStep.Promote => PromoteTriedAsync(versionId, verdict.Reason!),
        TrialStep.RollBack => AbandonAsync(versionId, verdict.Reason!, CancellationToken.None),
        _ => Task.FromResult<ApiError?>(null),
    };

    /// <summary>Nothing where somebody was quicker and ended or held the trial.</summary>
    private async Task<ApiError?> PromoteTriedAsync(string versionId, string reason)
    {
        await _oneSwap.WaitAsync();
        try
        {
            if (_current.OnTrial is { State: VersionState.Canary } tried && tried.Id == versionId) await PromoteAsync(versionId, isRollback: false, reason);
            return null;
        }
        finally
        {
            _oneSwap.Release();
        }
    }

    private async Task ResumeTrialAsync()
    {
        if (_current.OnTrial is not { } tried) return;
        if (ModelFiles.Problem(tried.Path) is { } problem)
        {
            _ = AbandonAsync(tried.Id, $"The version's file is not usable: {problem}", CancellationToken.None);
            return;
        }

        if (await staging.ReserveAsync(Spec(tried)) is { } tooLarge)
        {
            _ = AbandonAsync(tried.Id, tooLarge.Message, CancellationToken.None);
            return;
        }

        staging.Start(Spec(tried));
        await BeginStageOfTrialAsync();
    }
}
