using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Gateway.Access.Queueing;

/// <param name="Places">Requests served at the same time.</param>
/// <param name="Length">Requests that may wait, of all flows together; 0 turns waiting off.</param>
/// <param name="LengthOfFlow">Requests of one flow that may wait.</param>
/// <param name="Patience">Longest wait.</param>
public sealed record QueueConfig(int Places, int Length, int LengthOfFlow, TimeSpan Patience);

/// <summary>How a request fared in the queue.</summary>
public enum QueueFate
{
    Admitted,

    /// <summary>No room for it to wait.</summary>
    Full,

    /// <summary>Waited, and was dropped for one of a higher class.</summary>
    Displaced,

    /// <summary>Waited as long as anybody may.</summary>
    TimedOut,
}

/// <param name="Place">To be disposed of when the request is done; null unless admitted.</param>
/// <param name="Waited">Time spent in the queue.</param>
/// <param name="RetryAfter">When coming again is expected to help: room to wait after Full, a free place after the others; zero when admitted.</param>
public sealed record QueueOutcome(QueueFate Fate, IDisposable? Place, TimeSpan Waited, TimeSpan RetryAfter);

/// <summary>
/// Stands before the workers of one model: so many requests at a time, the others wait their turn by <see cref="FairOrder{T}"/>.
/// One owner: all state is changed under one lock, and waiters are told outside of it. Thread-safe.
/// </summary>
public sealed class FairQueue(QueueConfig config, TimeProvider clock)
{
    private readonly Lock _gate = new();
    private readonly FairOrder<Waiter> _order = new();
    private readonly ServiceEstimate _estimate = new();
    private readonly RetryPromises _promises = new();
    private QueueConfig _config = config;

    public int Waiting
    {
        get
        {
            lock (_gate) return _order.Count;
        }
    }

    public int Serving
    {
        get
        {
            lock (_gate) return _estimate.Serving;
        }
    }

    private long NowMs => clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Takes effect for the next request; nobody who waits is dropped.</summary>
    public void Reconfigure(QueueConfig config)
    {
        List<Waiter> called;
        lock (_gate)
        {
            _config = config;
            called = Call();
        }

        Tell(called, QueueFate.Admitted, TimeSpan.Zero);
    }

    /// <summary>Waits for a place. Cancellation takes the request out of the queue and throws; all else is an outcome.</summary>
    public async ValueTask<QueueOutcome> EnterAsync(QueueClaim claim, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Waiter waiter;
        Waiter? displaced = null;
        var retryAfter = TimeSpan.Zero;
        lock (_gate)
        {
            var nowMs = NowMs;
            if (_estimate.Serving < _config.Places && _order.Count == 0)
            {
                // Through the order all the same: what is served at once counts against the flow's later share.
                _order.Add(new Waiter(nowMs, claim.Flow), claim);
                _order.TryTake(out _, out _);
                return new QueueOutcome(QueueFate.Admitted, new Place(this, _estimate.Begin(nowMs)), TimeSpan.Zero, TimeSpan.Zero);
            }

            if (_order.CountOf(claim.Flow) >= _config.LengthOfFlow) return Full(_estimate.End(_config.Places, _order.PositionOf(claim.Flow) + 1, nowMs));
            if (_order.Count >= _config.Length)
            {
                if (_order.LowestBelow(claim.Priority) is not { } lowest) return Full(_promises.Make(claim.Flow, count => _estimate.End(_config.Places, count, nowMs), nowMs));
                _order.Remove(lowest.Item, lowest.Flow);
                displaced = lowest.Item;
                retryAfter = _estimate.End(_config.Places, _order.Count + 2, nowMs);
            }

            _order.Add(waiter = new Waiter(nowMs, claim.Flow), claim);
        }

        if (displaced is not null) Tell([displaced], QueueFate.Displaced, retryAfter);
        return await WaitAsync(waiter, cancellationToken).ConfigureAwait(false);
    }

    private static QueueOutcome Full(TimeSpan retryAfter) => new(QueueFate.Full, null, TimeSpan.Zero, retryAfter);

    /// <summary>The flows of those who wait, in the order in which they would be served if nobody came any more.</summary>
    public IReadOnlyList<string> FlowsInOrder()
    {
        lock (_gate) return [.. _order.Order().Select(waiter => waiter.Flow)];
    }

    private async Task<QueueOutcome> WaitAsync(Waiter waiter, CancellationToken cancellationToken)
    {
        TimeSpan patience;
        lock (_gate) patience = _config.Patience;
        using var limit = new CancellationTokenSource(patience, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        await using var leaving = either.Token.UnsafeRegister(static (state, _) => ((Leaving)state!).Leave(), new Leaving(this, waiter)).ConfigureAwait(false);
        var outcome = await waiter.Told.Task.ConfigureAwait(false);
        if (outcome.Fate == QueueFate.TimedOut) cancellationToken.ThrowIfCancellationRequested();
        return outcome;
    }

    private void Leave(Waiter waiter)
    {
        TimeSpan retryAfter;
        lock (_gate)
        {
            if (!_order.Remove(waiter, waiter.Flow)) return;
            retryAfter = _estimate.End(_config.Places, _order.Count + 1, NowMs);
        }

        Tell([waiter], QueueFate.TimedOut, retryAfter);
    }

    private void Release(long number)
    {
        List<Waiter> called;
        lock (_gate)
        {
            _estimate.End(number, NowMs);
            called = Call();
        }

        Tell(called, QueueFate.Admitted, TimeSpan.Zero);
    }

    /// <summary>Gives free places to those whose turn it is.</summary>
    private List<Waiter> Call()
    {
        var called = new List<Waiter>();
        while (_estimate.Serving < _config.Places && _order.TryTake(out var waiter, out _))
        {
            waiter!.Place = new Place(this, _estimate.Begin(NowMs));
            called.Add(waiter);
        }

        return called;
    }

    private void Tell(List<Waiter> waiters, QueueFate fate, TimeSpan retryAfter)
    {
        var nowMs = NowMs;
        foreach (var waiter in waiters)
        {
            waiter.Told.TrySetResult(new QueueOutcome(fate, waiter.Place, TimeSpan.FromMilliseconds(Math.Max(0, nowMs - waiter.CameMs)), retryAfter));
        }
    }

    private sealed class Waiter(long cameMs, string flow)
    {
        public long CameMs { get; } = cameMs;

        public string Flow { get; } = flow;

        public IDisposable? Place { get; set; }

        public TaskCompletionSource<QueueOutcome> Told { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed record Leaving(FairQueue Queue, Waiter Waiter)
    {
        public void Leave() => Queue.Leave(Waiter);
    }

    private sealed class Place(FairQueue queue, long number) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0) queue.Release(number);
        }
    }
}
