using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Rollout.Trials;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Storage;
using FinerCut.Gateway.Workers;

namespace FinerCut.Gateway.Rollout;

/// <summary>
/// The one writer of one model's versions: stages, probes, tries, swaps, drains. Changes of a model's routes happen one after the other; readers
/// take <see cref="Current"/>. In what order things happen is what makes a swap lose nothing: worker up → probed → row committed → routes
/// published → old upstream closed → drained → stopped.
/// </summary>
public sealed partial class RolloutOwner(string modelId, LiveConfig live, RolloutJournal journal, Staging staging, RouteOwner routes, Trials.Trials trials) : IModelVersions, IDisposable
{
    public const string FullVersion = "full";

    private readonly SemaphoreSlim _oneSwap = new(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, CancellationTokenSource> _drains = new(StringComparer.Ordinal);
    private readonly TimeProvider _time = journal.Time;
    private volatile ModelRollout _current = ModelRollout.Empty(modelId);

    /// <summary>As the settings have it now.</summary>
    public ModelConfig Model => live.Model(modelId);

    public ModelRollout Current => _current;

    /// <summary>Restores what was and starts the active version's worker, and that of a trial.</summary>
    public async Task StartAsync()
    {
        lock (_gate)
        {
            _current = journal.Load(Model.Id);
            Commit(_current.Restart(Now()));
            if (!_current.Versions.TryGetValue(FullVersion, out var full) || full.Path != Model.Path) Commit(RegisterFull(full));
        }

        var active = _current.Active!;
        _asleep = true;
        await routes.ShareAsync(Model.Id, new ModelShare(active.Id) { Asleep = true });
        var problem = active.Id == FullVersion ? null : ModelFiles.Problem(active.Path);
        if (problem is null)
        {
            if (Model.Load == LoadMoment.Start || _current.OnTrial is not null) await WakeAsync(CancellationToken.None);
        }
        else _ = SwapAsync(FullVersion, isRollback: true, $"The active version's file is not usable: {problem}", CancellationToken.None);
        await ResumeTrialAsync();
    }

    public Task RegisterAsync(VersionModel version, string reason)
    {
        if (!_current.Versions.ContainsKey(version.Id)) Register(version, reason);
        return Task.CompletedTask;
    }

    /// <summary>A version whose file a job has written, or (refused) would have.</summary>
    public void Register(VersionModel version, string reason)
    {
        lock (_gate) Commit(_current.Register(version, reason, Now()));
        RemoveOldFiles();
    }

    public Task<ApiError?> RollOutAsync(string versionId, string reason, CancellationToken cancellationToken) => Model.Rollout.Mode == RolloutMode.Direct
        ? SwapAsync(versionId, isRollback: false, reason, cancellationToken)
        : TryAsync(versionId, weight: null, reason, cancellationToken);

    /// <summary>Null when done; otherwise why the version did not become active. The active one is untouched then.</summary>
    public async Task<ApiError?> SwapAsync(string versionId, bool isRollback, string reason, CancellationToken cancellationToken)
    {
        await _oneSwap.WaitAsync(cancellationToken);
        try
        {
            if (_current.Active?.Id == versionId) return null;
            if (_current.OnTrial is { } tried && tried.Id != versionId) return TrialRuns(tried);
            if (_current.OnTrial is null && await StageAsync(versionId, reason, cancellationToken) is { } problem) return problem;
            await PromoteAsync(versionId, isRollback, reason);
            return null;
        }
        finally
        {
            _oneSwap.Release();
        }
    }

    /// <summary>Ends the trial, where there is one; else back to the version that the active one replaced.</summary>
    /// <param name="reason">For the history.</param>
    /// <param name="automatic">Nobody asked: then not to a version that was itself left as not good.</param>
    /// <param name="cancellationToken">Ends the wait for another change.</param>
    public Task<ApiError?> RollBackAsync(string reason, bool automatic, CancellationToken cancellationToken)
    {
        var current = _current;
        if (!automatic && current.OnTrial is { } tried) return AbandonAsync(tried.Id, reason, cancellationToken);
        if (current.Active?.Replaced is not { } target || !current.Versions.TryGetValue(target, out var version))
        {
            return Task.FromResult<ApiError?>(ApiError.Conflict($"The active version of {Model.Id} replaced none: there is nothing to roll back to.", "no_previous_version"));
        }

        if (automatic && version.State is VersionState.RolledBack or VersionState.RollingBack or VersionState.Failed)
        {
            return Task.FromResult<ApiError?>(ApiError.Conflict($"Version {target} was left as not good itself.", "no_previous_version"));
        }

        return SwapAsync(target, isRollback: true, reason, cancellationToken);
    }

    public void Dispose()
    {
        trials.End(Model.Id);
        _oneSwap.Dispose();
    }

    /// <summary>One caller at a time; the version is staged or on trial.</summary>
    private async Task PromoteAsync(string versionId, bool isRollback, string reason)
    {
        var left = _current.Active!;
        Change(rollout => rollout.Promote(versionId, isRollback, reason, Now()));
        trials.End(Model.Id);
        _asleep = false;
        await routes.ShareAsync(Model.Id, new ModelShare(versionId));
        BeginDrain(left);
    }

    private static ApiError TrialRuns(VersionModel tried) =>
        ApiError.Conflict($"Version {tried.Id} is on trial ({tried.State}): promote it or roll it back first.", "trial_runs");

    private WorkerSpec Spec(VersionModel version) => new(Model.Id, version.Id, version.Path, Model.ContextSize, Model.Parallel, Model.Threads) { Device = Model.Device };

    private RolloutChange RegisterFull(VersionModel? known)
    {
        var now = Now();
        var fresh = new VersionModel(FullVersion, known?.State ?? VersionState.Registered, Model.Path, new FileInfo(Model.Path).Length, null, now) { Replaced = known?.Replaced };
        return _current.Register(fresh, "From the settings.", now);
    }

    /// <summary>Null once the version is staged. One caller at a _time.</summary>
    private async Task<ApiError?> StageAsync(string versionId, string reason, CancellationToken cancellationToken)
    {
        if (!_current.Versions.TryGetValue(versionId, out var version))
        {
            return ApiError.NotFound($"The model {Model.Id} has no version '{versionId}'. Versions: {string.Join(", ", _current.Versions.Keys)}.", "version_not_found");
        }

        if (!File.Exists(version.Path)) return ApiError.Conflict($"The file of version {versionId} is not there.", "version_file_missing");
        // Before anything changes: a version that does not fit is refused with the figures.
        if (VersionTransitions.Next(version.State, VersionEvent.StageAsked) is not null && await staging.ReserveAsync(Spec(version)) is { } tooLarge) return tooLarge;
        if (!BeginStaging(versionId, reason)) return ApiError.Conflict($"Version {versionId} is {version.State} and cannot be made active.", "version_state");
        if (await staging.BringUpAsync(Spec(version), cancellationToken) is { } problem)
        {
            Change(rollout => rollout.Apply(versionId, VersionEvent.StageFailed, problem, Now()));
            // It may have been fetched back while streams were still finishing on it.
            BeginDrain(version);
            return ApiError.Server(502, $"Version {versionId} did not come up: {problem}", "staging_failed");
        }

        Change(rollout => rollout.Apply(versionId, VersionEvent.ProbePassed, null, Now()));
        return null;
    }

    private bool BeginStaging(string versionId, string reason)
    {
        lock (_gate)
        {
            if (!Change(rollout => rollout.Apply(versionId, VersionEvent.StageAsked, reason, Now()))) return false;
            if (_drains.Remove(versionId, out var drain)) drain.Cancel();
            return true;
        }
    }

    private void BeginDrain(VersionModel left)
    {
        lock (_gate)
        {
            // All doors to the worker, also those of an earlier time at which it was active.
            var upstreams = routes.Closed(Model.Id, left.Id);
            var cancel = new CancellationTokenSource();
            _drains[left.Id] = cancel;
            _ = DrainAsync(left, upstreams, cancel);
        }
    }

    private async Task DrainAsync(VersionModel left, IReadOnlyList<Upstream> upstreams, CancellationTokenSource cancel)
    {
        var drained = Task.WhenAll(upstreams.Select(upstream => upstream.Drained));
        try
        {
            await drained.WaitAsync(Model.DrainTimeout, _time, cancel.Token);
        }
        catch (TimeoutException)
        {
            foreach (var upstream in upstreams) upstream.End(FailureKind.Retired);
            await Task.WhenAny(drained, Task.Delay(TimeSpan.FromSeconds(5), _time, CancellationToken.None));
        }
        catch (OperationCanceledException)
        {
            return;
        }

        Task stopped;
        lock (_gate)
        {
            if (cancel.IsCancellationRequested) return;
            _drains.Remove(left.Id);
            Change(rollout => rollout.Apply(left.Id, VersionEvent.Drained, null, Now()));
            stopped = staging.StopAsync(Spec(left));
        }

        await stopped;
        cancel.Dispose();
        RemoveOldFiles();
    }

    /// <summary>Keeps the newest files of versions that are not in use (Rollout:KeepVersions).</summary>
    private void RemoveOldFiles()
    {
        lock (_gate)
        {
            foreach (var version in _current.Superfluous(Model.Rollout.KeepVersions).ToArray())
            {
                try
                {
                    File.Delete(version.Path);
                }
                catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
                {
                    // Tried again when the next version leaves.
                    continue;
                }

                Change(rollout => rollout.Apply(version.Id, VersionEvent.FileRemoved, $"Rollout:KeepVersions is {Model.Rollout.KeepVersions}.", Now()));
            }
        }
    }

    /// <summary>To the millisecond, as it is kept: the state reads the same before and after a restart.</summary>
    private DateTimeOffset Now() => DateTimeOffset.FromUnixTimeMilliseconds(_time.GetUtcNow().ToUnixTimeMilliseconds());

    private bool Change(Func<ModelRollout, RolloutChange?> change)
    {
        lock (_gate)
        {
            if (change(_current) is not { } made) return false;
            Commit(made);
            return true;
        }
    }

    private void Commit(RolloutChange change)
    {
        journal.Commit(change);
        _current = change.Next;
    }
}
