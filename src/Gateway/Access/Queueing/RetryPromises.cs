namespace FinerCut.Gateway.Access.Queueing;

/// <summary>
/// Flows that were told when to come again. Each is told a different end of service, so that they do not all come for the same room; a flow
/// that asks again and again holds one promise. Deterministic; not thread-safe: <see cref="FairQueue"/> owns it.
/// </summary>
public sealed class RetryPromises
{
    /// <summary>Beyond so many, flows share a promise.</summary>
    private const int Most = 1024;

    private readonly Dictionary<string, long> _dueMs = new(StringComparer.Ordinal);

    /// <param name="endOf">When the n-th service from now ends.</param>
    public TimeSpan Make(string flow, Func<int, TimeSpan> endOf, long nowMs)
    {
        foreach (var (other, dueMs) in _dueMs)
        {
            if (dueMs <= nowMs || other == flow) _dueMs.Remove(other);
        }

        var retryAfter = endOf(_dueMs.Count + 1);
        if (_dueMs.Count < Most) _dueMs[flow] = nowMs + (long)retryAfter.TotalMilliseconds;
        return retryAfter;
    }
}
