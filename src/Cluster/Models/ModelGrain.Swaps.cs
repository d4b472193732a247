using FinerCut.Gateway.Rollout;

namespace FinerCut.Cluster.Models;

/// <summary>
/// The part that swaps versions. In what order things happen is what makes a swap lose nothing: workers up → probed → written → told to every
/// edge → drained at every edge → stopped.
/// </summary>
public sealed partial class ModelGrain
{
    private static readonly TimeSpan DrainLook = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan AfterEnd = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestLeave = TimeSpan.FromSeconds(60);

    private readonly Dictionary<string, CancellationTokenSource> _drains = new(StringComparer.Ordinal);

    public Task<Refusal?> PromoteAsync(string version, bool isRollback, string reason) => InTurnAsync(async () =>
    {
        var rollout = _document.Rollout;
        if (rollout.Active?.Id == version) return null;
        if (rollout.OnTrial is { } tried && tried.Id != version) return TrialRuns(tried);
        if (rollout.OnTrial is null && await StageAsync(version, reason) is { } problem) return problem;
        var left = rollout.Active!;
        if (!await ChangeAsync(current => current.Promote(version, isRollback, reason, Now))) return Conflict("version_state", $"Version {version} cannot be made active now.");
        await PublishAsync();
        BeginDrain(left);
        return null;
    });

    public Task<Refusal?> TryAsync(string version, double weight, string reason) => InTurnAsync(async () =>
    {
        var rollout = _document.Rollout;
        if (rollout.Active?.Id == version) return Conflict("version_state", $"Version {version} is active: it has all requests.");
        if (rollout.OnTrial is { } tried && tried.Id != version) return TrialRuns(tried);
        if (rollout.OnTrial is null && await StageAsync(version, reason) is { } problem) return problem;
        await SetWeightAsync(version, weight);
        await ChangeAsync(current => current.OnTrial is null ? current.Try(version, shadow: false, reason, Now) : null);
        await PublishAsync();
        return null;
    });

    public Task<Refusal?> RollBackAsync(string reason) => RollBackAsync(reason, automatic: false);

    public async Task LeaveAsync(string host)
    {
        var began = time.GetTimestamp();
        // A new owner does not know yet what runs where, nor the host that leaves: it would be answered that nothing is under way on it.
        while (!_gathered) await Task.Delay(DrainLook, time, CancellationToken.None);
        _fleet.BeginLeave(host);
        // Elsewhere first, so that there is always a door where one can be.
        foreach (var version in new[] { _document.Rollout.Active, _document.Rollout.OnTrial }.OfType<VersionModel>())
        {
            if (!_fleet.Staying(version.Id).Any(worker => worker.IsReady)) await PlaceEverywhereAsync(version);
        }

        _fleet.EndLeave(host);
        await PublishAsync();
        var patience = _card is null || _card.DrainTimeout > LongestLeave ? LongestLeave : _card.DrainTimeout;
        foreach (var version in _fleet.AllWorkers().Where(worker => worker.Host == host).Select(worker => worker.VersionId).Distinct().ToArray())
        {
            while (time.GetElapsedTime(began) < patience && await _fleet.InFlightAsync(ModelId, version, host) > 0) await Task.Delay(DrainLook, time, CancellationToken.None);
        }
    }

    private Task<Refusal?> RollBackAsync(string reason, bool automatic)
    {
        var rollout = _document.Rollout;
        if (!automatic && rollout.OnTrial is { } tried) return AbandonAsync(tried.Id, reason);
        if (rollout.Active?.Replaced is not { } target || !rollout.Versions.TryGetValue(target, out var version))
        {
            return Task.FromResult<Refusal?>(Conflict("no_previous_version", $"The active version of {ModelId} replaced none: there is nothing to roll back to."));
        }

        if (automatic && version.State is VersionState.RolledBack or VersionState.RollingBack or VersionState.Failed)
        {
            return Task.FromResult<Refusal?>(Conflict("no_previous_version", $"Version {target} was left as not good itself."));
        }

        return PromoteAsync(target, isRollback: true, reason);
    }

    private Task<Refusal?> AbandonAsync(string version, string reason) => InTurnAsync(async () =>
    {
        if (_document.Rollout.OnTrial is not { } tried || tried.Id != version) return null;
        await ChangeAsync(current => current.Apply(version, VersionEvent.RolledBack, reason, Now));
        await PublishAsync();
        BeginDrain(tried);
        return null;
    });

    private async Task<Refusal?> InTurnAsync(Func<Task<Refusal?>> act)
    {
        await _turn.WaitAsync();
        try
        {
            // A new owner does not know yet where the model runs.
            while (!_gathered) await Task.Delay(DrainLook, time, CancellationToken.None);
            return await act();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Null once the version is staged. One caller at a time.</summary>
    private async Task<Refusal?> StageAsync(string id, string reason)
    {
        if (!_document.Rollout.Versions.TryGetValue(id, out var version))
        {
            return new Refusal { Status = 404, Code = "version_not_found", Message = $"The model {ModelId} has no version '{id}'. Versions: {string.Join(", ", _document.Rollout.Versions.Keys)}." };
        }

        if (_card is null) return new Refusal { Status = 503, Code = "no_host", Message = "There is no host in the cluster now." };
        if (!await ChangeAsync(current => current.Apply(id, VersionEvent.StageAsked, reason, Now))) return Conflict("version_state", $"Version {id} is {version.State} and cannot be made active.");
        if (_leavingVersion == id) _leavingVersion = null;
        if (_drains.Remove(id, out var drain)) await drain.CancelAsync();
        if (await PlaceEverywhereAsync(version) is { } problem)
        {
            await ChangeAsync(current => current.Apply(id, VersionEvent.StageFailed, problem.Message, Now));
            return problem with { Status = 502, Code = "staging_failed", Message = $"Version {id} did not come up: {problem.Message}" };
        }

        await ChangeAsync(current => current.Apply(id, VersionEvent.ProbePassed, null, Now));
        return null;
    }

    private void BeginDrain(VersionModel left)
    {
        var cancel = new CancellationTokenSource();
        _drains[left.Id] = cancel;
        _ = DrainAsync(left, cancel);
    }

    private async Task DrainAsync(VersionModel left, CancellationTokenSource cancel)
    {
        try
        {
            // A new owner does not know yet who has streams on it.
            while (!_gathered || _card is null) await Task.Delay(DrainLook, time, cancel.Token);
            await WaitUntilEmptyAsync(left.Id, _card.DrainTimeout, cancel.Token);
            await _fleet.EndAsync(ModelId, left.Id);
            await WaitUntilEmptyAsync(left.Id, AfterEnd, cancel.Token);
            await Task.WhenAll(_fleet.AllWorkers().Where(worker => worker.VersionId == left.Id).Select(worker => EndWorkerAsync(worker.Host, left.Id)));
            if (cancel.IsCancellationRequested) return;
            _drains.Remove(left.Id);
            await ChangeAsync(current => current.Apply(left.Id, VersionEvent.Drained, null, Now));
        }
        catch (OperationCanceledException)
        {
            // The version was fetched back, or the model's owner is going; the next one goes on.
        }
    }

    private async Task WaitUntilEmptyAsync(string version, TimeSpan patience, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (await _fleet.InFlightAsync(ModelId, version, host: null) > 0 && time.GetElapsedTime(began) < patience) await Task.Delay(DrainLook, time, cancellationToken);
    }

    private static Refusal TrialRuns(VersionModel tried) => Conflict("trial_runs", $"Version {tried.Id} is on trial ({tried.State}): promote it or roll it back first.");

    private static Refusal Conflict(string code, string message) => new() { Status = 409, Code = code, Message = message };
}
