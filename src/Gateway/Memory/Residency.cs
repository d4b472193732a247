using System.Collections.Concurrent;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Workers;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Memory;

/// <summary>
/// Which models are loaded: loads one that is wanted, unloads those that nobody wanted for long, and makes room by unloading idle ones that are not
/// pinned. Knows when models were used last; the models' owners do the rest. Thread-safe.
/// </summary>
public sealed class Residency(MemoryLedger ledger, Rollouts rollouts, RouteOwner routes, Staging staging, ILogger<Residency> logger, TimeProvider time) : IDisposable
{
    /// <summary>Read from disk and warmed up, until a load was measured.</summary>
    private const double GuessedBytesPerSecond = 500e6;

    private readonly ConcurrentDictionary<string, long> _used = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private Action<string>? _wake;
    private Task _sweeping = Task.CompletedTask;

    /// <summary>Starts all models that are to be loaded from the start.</summary>
    public async Task StartAsync()
    {
        staging.MakeRoomAsync = MakeRoomAsync;
        var wakes = new Wakes(WakeAsync);
        _wake = modelId =>
        {
            Used(modelId);
            wakes.Want(modelId);
        };
        routes.Wanted += _wake;
        routes.WorkerPublished += Loaded;
        await rollouts.StartAsync(routes);
        _sweeping = Task.Run(SweepAsync);
    }

    public void Used(string modelId) => _used[modelId] = time.GetTimestamp();

    /// <summary>Unloads what must go for so many bytes to be free. Nothing is unloaded where that would not do.</summary>
    /// <param name="bytes">That are to be free.</param>
    /// <param name="forModel">Whose own worker is not touched.</param>
    public async Task MakeRoomAsync(long bytes, string forModel)
    {
        var missing = bytes - ledger.Free;
        if (missing <= 0) return;
        var candidates = rollouts.All.Where(owner => owner.Model.Id != forModel && !owner.Model.Pinned && owner.MaySleep).Select(Candidate).Where(candidate => candidate.Bytes > 0);
        if (Eviction.Choose(candidates, missing) is not { } leaving) return;
        foreach (var candidate in leaving)
        {
            if (await rollouts.Find(candidate.ModelId)!.TrySleepAsync(_stopping.Token))
            {
                logger.LogInformation("{Model} was unloaded to make room of {Bytes} for {For}.", candidate.ModelId, MemoryForecast.Mib(candidate.Bytes), forModel);
            }
        }
    }

    public async Task StopAsync()
    {
        routes.Wanted -= _wake;
        await _stopping.CancelAsync();
        await _sweeping;
    }

    public void Dispose() => _stopping.Dispose();

    private EvictionCandidate Candidate(RolloutOwner owner)
    {
        var id = owner.Model.Id;
        var bytes = ledger.Entries.Where(entry => entry.ModelId == id && entry.Id.StartsWith(id + "/", StringComparison.Ordinal)).Sum(entry => entry.Forecast.Total);
        return new EvictionCandidate(id, bytes, routes.LoadTimeOf(id) ?? TimeSpan.FromSeconds(bytes / GuessedBytesPerSecond), Idle(id));
    }

    private TimeSpan Idle(string modelId) => time.GetElapsedTime(_used.GetOrAdd(modelId, _ => time.GetTimestamp()));

    /// <summary>Never throws; whoever waits for the model sees its route change.</summary>
    private async Task WakeAsync(string modelId)
    {
        try
        {
            if (rollouts.Find(modelId) is { } owner) await owner.WakeAsync(_stopping.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            // Told to stop.
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "{Model} could not be loaded.", modelId);
        }
    }

    /// <summary>Those who waited for it get their turn before it counts as idle.</summary>
    private void Loaded(WorkerModel worker)
    {
        if (worker is { State: WorkerState.Ready, LoadTime: not null }) Used(worker.Spec.ModelId);
    }

    private async Task SweepAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(250), time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                foreach (var owner in rollouts.All)
                {
                    var model = owner.Model;
                    if (model.Pinned || model.UnloadAfter <= TimeSpan.Zero || !owner.MaySleep || Idle(model.Id) < model.UnloadAfter) continue;
                    if (await owner.TrySleepAsync(_stopping.Token)) logger.LogInformation("{Model} was unloaded: nobody asked for it for {Seconds} s.", model.Id, model.UnloadAfter.TotalSeconds);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Told to stop.
        }
    }
}
