using System.Collections.Concurrent;

namespace FinerCut.Gateway.Routing;

/// <summary>
/// Requests that a worker had when it died: one of them may be what it died of. They are sent again one at a time, each until its answer has begun, so that only the one to blame meets a second death and the
/// others are answered. A turn is waited for only so long: after a death of another cause, many may stand here for nothing. Thread-safe.
/// </summary>
internal sealed class Suspects(TimeProvider time)
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    /// <summary>A process that dies still takes connections for a moment: who came then would seem to have been there.</summary>
    private static readonly TimeSpan LastBreaths = TimeSpan.FromSeconds(1);

    /// <summary>By model.</summary>
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _turns = new(StringComparer.Ordinal);

    /// <summary>The turn, to be disposed of; null where it did not come in time.</summary>
    public async Task<IDisposable?> TakeTurnAsync(string modelId, CancellationToken aborted)
    {
        var turns = _turns.GetOrAdd(modelId, _ => new SemaphoreSlim(1));
        using var limit = new CancellationTokenSource(LongestWait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, aborted);
        try
        {
            await turns.WaitAsync(either.Token);
            return new Turn(turns);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !aborted.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <param name="turn">May have been given back already.</param>
    /// <param name="died">The worker that the turn was with has died again.</param>
    public async Task GiveBackAsync(IDisposable turn, bool died)
    {
        if (died) await Task.Delay(LastBreaths, time, CancellationToken.None);
        turn.Dispose();
    }

    private sealed class Turn(SemaphoreSlim turns) : IDisposable
    {
        private SemaphoreSlim? _held = turns;

        public void Dispose() => Interlocked.Exchange(ref _held, null)?.Release();
    }
}
