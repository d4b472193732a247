using System.ComponentModel;
using FinerCut.Gateway.Configuration;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Workers;

/// <summary>
/// The one owner of one worker: a single task walks it through its states; others read <see cref="Model"/> and call <see cref="StopAsync"/>.
/// </summary>
#pragma warning disable CA1001 // The source has neither timer nor handle to release, and StopAsync may be called again.
public sealed class WorkerOwner
#pragma warning restore CA1001
{
    private const int SilentProbes = 3;

    private readonly WorkerConfig _config;
    private readonly WorkerProbe _probe;
    private readonly IWorkerObserver _observer;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;
    private volatile WorkerModel _model;
    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public WorkerOwner(WorkerSpec spec, WorkerConfig config, WorkerProbe probe, IWorkerObserver observer, ILogger logger, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        _config = config;
        _probe = probe;
        _observer = observer;
        _logger = logger;
        _time = time;
        _model = new WorkerModel(spec, WorkerState.Starting, time.GetUtcNow()) { Generation = 1 };
        _observer.Changed(_model);
        _loop = Task.Run(RunAsync);
    }

    public WorkerModel Model => _model;

    /// <summary>Waits until the state fits; also ends when the worker has stopped or failed for good.</summary>
    public async Task<WorkerModel> WhenAsync(Func<WorkerState, bool> fits, CancellationToken cancellationToken)
    {
        while (true)
        {
            // Taken before the look at the model: a change in between completes it.
            var changed = _changed.Task;
            var model = _model;
            if (fits(model.State) || model.State is WorkerState.Stopped or WorkerState.Failed) return model;
            await changed.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Ends the process within the stop time-out and completes when it is gone. May be called more than once.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _loop;
    }

    private async Task RunAsync()
    {
        while (true)
        {
            try
            {
                await LiveAsync();
                if (_model.State is WorkerState.Failed) return;
                await Task.Delay(_model.RetryAt!.Value - _time.GetUtcNow() is { Ticks: > 0 } wait ? wait : TimeSpan.Zero, _time, _stopping.Token);
                Move(_model with { State = WorkerState.Starting, Generation = _model.Generation + 1, RetryAt = null });
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                Move(_model with { State = WorkerState.Stopped, Address = null, ProcessId = null, RetryAt = null });
                return;
            }
            catch (Exception exception)
            {
                // A fault of the supervisor itself must not leave the worker without an owner.
                _logger.LogError(exception, "Supervision of {Worker} failed.", _model.Spec.WorkerId);
                Die(exception.Message);
            }
        }
    }

    /// <summary>One life: from start to death. Returns with the state set to what follows the death; throws when asked to stop.</summary>
    private async Task LiveAsync()
    {
        WorkerProcess process;
        try
        {
            process = WorkerProcess.Start(_config.Path, _config.Host, _model.Spec, _logger);
        }
        catch (Win32Exception exception)
        {
            Move(_model with { State = WorkerState.Failed, Reason = $"{_config.Path} cannot be started: {exception.Message}" });
            return;
        }

        await using (process)
        {
            _model = _model with { ProcessId = process.Id };
            try
            {
                var problem = await LoadAsync(process);
                problem ??= await WatchAsync(process);
                if (problem is not null) await process.KillAsync();
                var reason = problem ?? process.Epitaph();
                if (process.RefusedItsInput) Move(_model with { State = WorkerState.Failed, Reason = reason, Address = null, ProcessId = null });
                else Die(reason);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                Move(_model with { State = WorkerState.Stopping, Address = null });
                await process.StopAsync(_config.StopTimeout, _time);
                throw;
            }
        }
    }

    /// <summary>Null once the worker is ready; otherwise why it will not be.</summary>
    private async Task<string?> LoadAsync(WorkerProcess process)
    {
        var began = _time.GetTimestamp();
        using var late = new CancellationTokenSource(_config.StartTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, _stopping.Token);
        try
        {
            await Task.WhenAny(process.Listening, process.Exited).WaitAsync(either.Token);
            if (!process.Listening.IsCompletedSuccessfully)
            {
                await process.Exited.WaitAsync(either.Token);
                return process.Epitaph();
            }

            var address = new WorkerAddress(await process.Listening, process.Key);
            Move(_model with { State = WorkerState.Loading });
            var healthy = _probe.WaitUntilHealthyAsync(address, either.Token);
            if (await Task.WhenAny(healthy, process.Exited) == process.Exited)
            {
                await either.CancelAsync();
                return process.Epitaph();
            }

            await healthy;
            Move(_model with { State = WorkerState.Ready, Address = address, Reason = null, LoadTime = _time.GetElapsedTime(began) });
            return null;
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !_stopping.IsCancellationRequested)
        {
            return $"The worker was not ready within {_config.StartTimeout.TotalSeconds} s (Worker:StartTimeoutSeconds).";
        }
    }

    /// <summary>Null once the process has ended by itself; otherwise why it must be ended: it lives, but answers nothing.</summary>
    private async Task<string?> WatchAsync(WorkerProcess process)
    {
        var silent = 0;
        while (true)
        {
            if (await Task.WhenAny(process.Exited, Task.Delay(_config.LivenessInterval, _time, _stopping.Token)) == process.Exited) return null;
            _stopping.Token.ThrowIfCancellationRequested();
            silent = await _probe.AnswersAsync(_model.Address!, _config.LivenessTimeout, _stopping.Token) ? 0 : silent + 1;
            if (silent < SilentProbes || process.Exited.IsCompleted) continue;
            return $"The worker answered none of {silent} probes, {_config.LivenessTimeout.TotalSeconds} s each (Worker:LivenessTimeoutSeconds): it was ended.";
        }
    }

    private void Die(string reason)
    {
        var next = WorkerTransitions.Died(_model, reason, _time.GetUtcNow(), _config.Restart);
        _logger.LogWarning("Worker {Worker} is down ({State}, next start at {RetryAt:HH:mm:ss.fff}): {Reason}", next.Spec.WorkerId, next.State, next.RetryAt, reason);
        Move(next);
    }

    private void Move(WorkerModel next)
    {
        if (!WorkerTransitions.Allows(_model.State, next.State))
        {
            throw new InvalidOperationException($"A worker cannot go from {_model.State} to {next.State}.");
        }

        _model = next with { Since = _time.GetUtcNow() };
        _logger.LogInformation("Worker {Worker} is {State}.", next.Spec.WorkerId, next.State);
        _observer.Changed(_model);
        var changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }
}
