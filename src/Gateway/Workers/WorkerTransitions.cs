using System.Collections.Immutable;
using FinerCut.Gateway.Configuration;

namespace FinerCut.Gateway.Workers;

/// <summary>The pure part of supervision: what may follow what, and what a death leads to.</summary>
public static class WorkerTransitions
{
    public static bool Allows(WorkerState from, WorkerState to) => (from, to) switch
    {
        (WorkerState.Stopped or WorkerState.Failed, _) => false,
        (WorkerState.Stopping, _) => to is WorkerState.Stopped,
        (_, WorkerState.Stopping or WorkerState.Stopped) => true,
        (WorkerState.Starting, WorkerState.Loading or WorkerState.BackingOff or WorkerState.Broken or WorkerState.Failed) => true,
        (WorkerState.Loading, WorkerState.Ready or WorkerState.BackingOff or WorkerState.Broken or WorkerState.Failed) => true,
        (WorkerState.Ready, WorkerState.BackingOff or WorkerState.Broken) => true,
        (WorkerState.BackingOff or WorkerState.Broken, WorkerState.Starting) => true,
        _ => false,
    };

    /// <summary>
    /// After a death: back off by a delay that doubles with every death in the window, or open the breaker when there were too many. A worker
    /// that dies again after the breaker's pause breaks at once, since its earlier deaths are kept as long as the pause lasts.
    /// </summary>
    public static WorkerModel Died(WorkerModel worker, string reason, DateTimeOffset now, RestartConfig restart)
    {
        var memory = restart.BreakerWindow + (worker.Deaths.Length >= restart.BreakerDeaths ? restart.BreakerPause : TimeSpan.Zero);
        ImmutableArray<DateTimeOffset> deaths = [.. worker.Deaths.Where(death => now - death <= memory).TakeLast(restart.BreakerDeaths), now];
        var broken = deaths.Length >= restart.BreakerDeaths;
        var delay = broken ? restart.BreakerPause : BackOff(deaths.Length, restart);
        return worker with
        {
            State = broken ? WorkerState.Broken : WorkerState.BackingOff,
            Since = now,
            Address = null,
            ProcessId = null,
            Deaths = deaths,
            Reason = reason,
            RetryAt = now + delay,
        };
    }

    internal static TimeSpan BackOff(int deaths, RestartConfig restart)
    {
        var seconds = restart.FirstDelay.TotalSeconds * Math.Pow(2, Math.Min(deaths - 1, 30));
        return TimeSpan.FromSeconds(Math.Min(seconds, restart.LongestDelay.TotalSeconds));
    }
}
