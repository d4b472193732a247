using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Routing;

namespace FinerCut.Gateway.Rollout;

/// <summary>The part that loads and unloads the active version's worker. The version stays active meanwhile: a request loads it again.</summary>
public sealed partial class RolloutOwner
{
    private volatile bool _asleep;

    /// <summary>Whether the model is loaded, serves nobody right now and could be unloaded without an effect but _time.</summary>
    public bool MaySleep => !_asleep && routes.Current.Models.GetValueOrDefault(modelId)?.Availability == RouteAvailability.Ready && _current is { OnTrial: null, Active: { } active } && routes.InFlight(Model.Id, active.Id) == 0 && _drains.Count == 0;

    /// <summary>False where somebody is busy with the model, or a request came.</summary>
    public async Task<bool> TrySleepAsync(CancellationToken cancellationToken)
    {
        // Never waits for another model's owner, which may wait for this one.
        if (!await _oneSwap.WaitAsync(0, cancellationToken)) return false;
        try
        {
            if (!MaySleep) return false;
            _asleep = true;
            var active = _current.Active!;
            await routes.ShareAsync(Model.Id, new ModelShare(active.Id) { Asleep = true });
            // A request that chose the worker a moment ago is answered; one that comes now wakes the model when this is done.
            await Task.WhenAll(routes.Closed(Model.Id, active.Id).Select(upstream => upstream.Drained)).WaitAsync(Model.DrainTimeout, _time, cancellationToken).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            await staging.StopAsync(Spec(active));
            return true;
        }
        finally
        {
            _oneSwap.Release();
        }
    }

    /// <summary>Loads the active version. Does nothing where it is loaded.</summary>
    public async Task WakeAsync(CancellationToken cancellationToken)
    {
        await _oneSwap.WaitAsync(cancellationToken);
        try
        {
            if (_asleep) await StartActiveAsync();
        }
        finally
        {
            _oneSwap.Release();
        }
    }

    /// <summary>One caller at a _time.</summary>
    private async Task StartActiveAsync()
    {
        var active = _current.Active!;
        var worker = Spec(active);
        var problem = await staging.ReserveAsync(worker);
        _asleep = problem is not null;
        if (problem is null) staging.Start(worker);
        await routes.ShareAsync(Model.Id, new ModelShare(active.Id) { Asleep = _asleep, Problem = problem });
    }
}
