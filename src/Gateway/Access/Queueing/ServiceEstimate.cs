namespace FinerCut.Gateway.Access.Queueing;

/// <summary>
/// What is being served and how long that takes, from which waits are predicted. Deterministic; times are milliseconds; not thread-safe:
/// <see cref="FairQueue"/> owns it.
/// </summary>
public sealed class ServiceEstimate
{
    /// <summary>Weight of the newest service in the mean.</summary>
    private const double NewestShare = 0.1;

    /// <summary>Taken for the mean until something has ended.</summary>
    private const double UnknownMs = 1000;

    private readonly Dictionary<long, long> _begun = [];
    private long _number;
    private double _meanMs;

    public int Serving => _begun.Count;

    /// <returns>The number by which <see cref="End"/> finds it.</returns>
    public long Begin(long nowMs)
    {
        _begun.Add(++_number, nowMs);
        return _number;
    }

    public void End(long number, long nowMs)
    {
        if (!_begun.Remove(number, out var begunMs)) return;
        var tookMs = Math.Max(0, nowMs - begunMs);
        _meanMs = _meanMs <= 0 ? tookMs : _meanMs + (NewestShare * (tookMs - _meanMs));
    }

    /// <summary>
    /// When the <paramref name="count"/>-th service from now ends, if others follow in the places that become free. Services that are
    /// overdue are expected to end within a tenth of the mean.
    /// </summary>
    /// <param name="count">At least 1.</param>
    public TimeSpan End(int places, int count, long nowMs)
    {
        var mean = _meanMs <= 0 ? UnknownMs : _meanMs;
        var ends = new PriorityQueue<double, double>();
        foreach (var begunMs in _begun.Values)
        {
            var left = Math.Max(begunMs + mean - nowMs, mean / 10);
            ends.Enqueue(left, left);
        }

        for (var idle = _begun.Count; idle < Math.Max(1, places); idle++) ends.Enqueue(0, 0);
        for (var before = 1; before < count; before++)
        {
            var next = ends.Dequeue() + mean;
            ends.Enqueue(next, next);
        }

        return TimeSpan.FromMilliseconds(Math.Max(1, Math.Ceiling(ends.Peek())));
    }
}
