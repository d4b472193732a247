namespace FinerCut.Worker.Serving;

/// <summary>
/// Who needs the model right now, and since when nobody does. Requests say so from any thread; the serve verb alone decides to sleep and to wake.
/// </summary>
/// <param name="after">Idle time after which to sleep; null = never.</param>
internal sealed class Wakefulness(TimeSpan? after, TimeProvider clock)
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private TaskCompletionSource _wanted = New();
    private TaskCompletionSource _awake = New();
    private long _idleSince = clock.GetTimestamp();
    private int _inside;
    private bool _asleep;

    /// <summary>A request that needs the model begins; ends with <see cref="Leave"/>. Completes once the model is there.</summary>
    public Task EnterAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _inside++;
            if (!_asleep) return Task.CompletedTask;
            _wanted.TrySetResult();
            return _awake.Task.WaitAsync(cancellationToken);
        }
    }

    public void Leave()
    {
        lock (_gate)
        {
            _inside--;
            _idleSince = clock.GetTimestamp();
        }
    }

    /// <summary>Completes once nobody has needed the model for long enough; from then on requests wait for <see cref="Woken"/>. Never, where it must not sleep.</summary>
    public async Task IdleAsync(CancellationToken stop)
    {
        if (after is not { } time)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, clock, stop);
            return;
        }

        using var timer = new PeriodicTimer(time / 4 < Longest ? time / 4 : Longest, clock);
        while (!TryFallAsleep(time)) await timer.WaitForNextTickAsync(stop);
    }

    /// <summary>Completes with the first request after falling asleep.</summary>
    public Task WantedAsync(CancellationToken stop)
    {
        lock (_gate) return _wanted.Task.WaitAsync(stop);
    }

    /// <summary>The model is there again.</summary>
    public void Woken()
    {
        lock (_gate)
        {
            _asleep = false;
            _idleSince = clock.GetTimestamp();
            _awake.TrySetResult();
            _awake = New();
        }
    }

    private bool TryFallAsleep(TimeSpan time)
    {
        lock (_gate)
        {
            if (_inside > 0 || clock.GetElapsedTime(_idleSince) < time) return false;
            _asleep = true;
            _wanted = New();
            return true;
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
