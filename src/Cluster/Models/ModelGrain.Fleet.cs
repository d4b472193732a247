using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Workers;
using Microsoft.Extensions.Logging;

namespace FinerCut.Cluster.Models;

/// <summary>The part that sees to it that the versions in use have their workers, and only they.</summary>
public sealed partial class ModelGrain
{
    /// <summary>A host that refused a worker is asked again after this.</summary>
    private static readonly TimeSpan Cooling = TimeSpan.FromSeconds(5);

    private readonly Dictionary<(string Host, string Version), Task<Refusal?>> _placing = [];
    private readonly HashSet<(string Host, string Version)> _ending = [];
    private readonly Dictionary<(string Host, string Version), long> _refused = [];
    private string? _leavingVersion;

    /// <summary>Looks at what is and makes it what it should be. Cheap where nothing is to be done.</summary>
    private async Task EnsureAsync()
    {
        _fleet.Sweep();
        if (!_gathered && time.GetElapsedTime(_began) >= Gathering) _gathered = true;
        if (!_gathered || _card is null || _document.Rollout.Active is not { } active) return;
        var before = _told;
        foreach (var version in new[] { active, _document.Rollout.OnTrial }.OfType<VersionModel>()) PlaceMissing(version);
        EndStrangers();
        LeaveBroken(active);
        var table = Table();
        if (Signature(table) != before) await PublishAsync();
    }

    private void PlaceMissing(VersionModel version)
    {
        var missing = _card!.Replicas - _fleet.Staying(version.Id).Count(ModelFleet.IsHopeful) - _placing.Keys.Count(placing => placing.Version == version.Id);
        foreach (var host in missing > 0 ? Candidates(version.Id).Take(missing).ToArray() : []) _ = PlaceAsync(host.Host, version);
    }

    private IEnumerable<HostReport> Candidates(string version) => _fleet.Places.Where(host =>
        !host.Workers.Any(worker => worker.VersionId == version && ModelFleet.IsHopeful(worker))
        && !_placing.ContainsKey((host.Host, version))
        && !(_refused.TryGetValue((host.Host, version), out var at) && time.GetElapsedTime(at) < Cooling));

    /// <summary>Null once the version's worker on this host has answered a probe. One start a place at a time: who asks meanwhile waits for the same one.</summary>
    private async Task<Refusal?> PlaceAsync(string host, VersionModel version)
    {
        var place = (host, version.Id);
        if (_placing.TryGetValue(place, out var underWay)) return await underWay;
        var start = StartAsync(host, version);
        if (start.IsCompleted) return await start;
        _placing[place] = start;
        try
        {
            return await start;
        }
        finally
        {
            _placing.Remove(place);
        }
    }

    private async Task<Refusal?> StartAsync(string host, VersionModel version)
    {
        var place = (host, version.Id);
        Refusal? problem;
        try
        {
            var outcome = await _fleet.Host(host).StartAsync(Order(version));
            problem = outcome.Problem;
            if (outcome.Worker is { } worker) _fleet.Hear(worker);
        }
        catch (Exception exception)
        {
            problem = new Refusal { Status = 503, Code = "host_silent", Message = $"The host {host} did not answer ({exception.GetType().Name})." };
        }

        if (problem is null) _refused.Remove(place);
        else
        {
            _refused[place] = time.GetTimestamp();
            LogRefused(logger, ModelId, version.Id, host, problem.Message);
        }

        return problem;
    }

    /// <summary>Null once the version is up on as many hosts as there should be, or on those that there are.</summary>
    private async Task<Refusal?> PlaceEverywhereAsync(VersionModel version)
    {
        Refusal? last = null;
        var ready = _fleet.Staying(version.Id).Count(worker => worker.IsReady);
        foreach (var host in _fleet.Places.ToArray())
        {
            if (ready >= _card!.Replicas) break;
            if (host.Workers.Any(worker => worker.VersionId == version.Id && worker.IsReady)) continue;
            if (await PlaceAsync(host.Host, version) is { } problem) last = problem;
            else ready++;
        }

        return ready > 0 ? null : last ?? new Refusal { Status = 503, Code = "no_host", Message = "There is no host in the cluster now." };
    }

    /// <summary>Workers of versions that are not in use any more: left by an owner that died in the middle.</summary>
    private void EndStrangers()
    {
        var rollout = _document.Rollout;
        foreach (var worker in _fleet.AllWorkers().ToArray())
        {
            var version = worker.VersionId;
            if (rollout.Versions.TryGetValue(version, out var known) && IsInUse(known.State)) continue;
            if (worker.State is nameof(WorkerState.Stopping) or nameof(WorkerState.Stopped) || _ending.Contains((worker.Host, version))) continue;
            _ = EndWorkerAsync(worker.Host, version);
        }
    }

    /// <summary>Whether its workers must live: somebody waits for them, is answered by them, or is still being answered.</summary>
    private static bool IsInUse(VersionState state) => state is VersionState.Active or VersionState.Shadowing or VersionState.Canary or VersionState.Held
        or VersionState.Staging or VersionState.Staged or VersionState.Draining or VersionState.RollingBack;

    private async Task EndWorkerAsync(string host, string version)
    {
        _ending.Add((host, version));
        _fleet.Forget(host, version);
        try
        {
            await _fleet.Host(host).StopAsync(new WorkerOrder { ModelId = ModelId, VersionId = version, Path = "" });
        }
        catch (Exception exception)
        {
            LogUnended(logger, ModelId, version, host, exception.GetType().Name);
            // Seen again in its next report.
        }
        finally
        {
            _ending.Remove((host, version));
        }
    }

    /// <summary>A version none of whose workers can be kept alive is left, as on one machine.</summary>
    private void LeaveBroken(VersionModel active)
    {
        var version = _document.Rollout.OnTrial is { } tried && IsBroken(tried.Id) ? tried : IsBroken(active.Id) && active.Replaced is not null ? active : null;
        if (version is null || _leavingVersion == version.Id) return;
        _leavingVersion = version.Id;
        var reason = $"Its worker cannot be kept alive: {_fleet.Workers(version.Id).First(worker => !ModelFleet.IsHopeful(worker)).Reason}";
        _ = version == active ? RollBackAsync(reason, automatic: true) : AbandonAsync(version.Id, reason);

        bool IsBroken(string id) => _fleet.Workers(id).Any(worker => worker.State is nameof(WorkerState.Broken) or nameof(WorkerState.Failed)) && !_fleet.Workers(id).Any(ModelFleet.IsHopeful);
    }

    private WorkerOrder Order(VersionModel version)
    {
        var order = new WorkerOrder { ModelId = ModelId, VersionId = version.Id, Path = version.Path };
        return _fleet.FileOf(version.Id) is var (file, hosts) ? order with { Sha256 = file.Sha256, Bytes = file.Bytes, Sources = hosts, Parts = file.Parts ?? [] } : order;
    }

    private static string Signature(RouteTable table) =>
        string.Join('\n', [$"{table.Active} {table.Trial}", .. table.Workers.Select(worker => $"{worker} {worker.Silo} {worker.Url} {worker.Incarnation}.{worker.Generation}")]);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The worker of {Model}/{Version} on {Host} could not be ended ({Kind}).")]
    private static partial void LogUnended(ILogger logger, string model, string version, string host, string kind);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Model}/{Version} is not placed on {Host}: {Reason}")]
    private static partial void LogRefused(ILogger logger, string model, string version, string host, string reason);
}
