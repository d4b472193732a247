namespace FinerCut.Gateway.Routing;

/// <summary>
/// One place that answers for one version, with the count of requests it holds. A request enters before it is forwarded and leaves when its
/// answer has ended; once closed, nobody enters any more. Both are one atomic word, so that there is no instant at which a drain could see
/// nothing in flight while a request is on its way. Thread-safe.
/// </summary>
public sealed class Upstream(string id, string modelId, string versionId, string url, string? key) : IDisposable
{
    private const long Closed = 1L << 62;
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _ended = new();
    private long _state;

    /// <summary>Unique over the life of the gateway.</summary>
    public string Id { get; } = id;

    public string ModelId { get; } = modelId;

    public string VersionId { get; } = versionId;

    /// <summary>Base address without a slash at its end.</summary>
    public string Url { get; } = url;

    /// <summary>Bearer token, or null where none is asked for.</summary>
    public string? Key { get; } = key;

    /// <summary>Requests at a time; others are not let in.</summary>
    public int Most { get; init; } = int.MaxValue;

    /// <summary>Name of an external destination; null for a worker of this gateway.</summary>
    public string? Destination { get; init; }

    public int InFlight => (int)(Interlocked.Read(ref _state) & ~Closed);

    public bool IsClosed => Interlocked.Read(ref _state) >= Closed;

    /// <summary>Completes when the upstream is closed and empty.</summary>
    public Task Drained => _drained.Task;

    /// <summary>Cancelled when the answers still running must end.</summary>
    public CancellationToken Ended => _ended.Token;

    /// <summary>False once closed, or full: the caller chooses another from a newer snapshot.</summary>
    public bool TryEnter()
    {
        var seen = Interlocked.Read(ref _state);
        while (seen < Closed && seen < Most)
        {
            var found = Interlocked.CompareExchange(ref _state, seen + 1, seen);
            if (found == seen) return true;
            seen = found;
        }

        return false;
    }

    public void Leave()
    {
        if (Interlocked.Decrement(ref _state) == Closed) _drained.TrySetResult();
    }

    public void Close()
    {
        if ((Interlocked.Or(ref _state, Closed) & ~Closed) == 0) _drained.TrySetResult();
    }

    /// <summary>Why the answers still running must end; of meaning once <see cref="Ended"/> is cancelled.</summary>
    public FailureKind EndedBy { get; private set; } = FailureKind.Retired;

    /// <summary>Ends what is still running, each stream with a typed error event.</summary>
    public void End(FailureKind reason)
    {
        EndedBy = reason;
        _ended.Cancel();
    }

    public void Dispose() => _ended.Dispose();
}
