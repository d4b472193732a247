using System.Collections.Immutable;

namespace FinerCut.Gateway.Access.Quotas;

/// <param name="Second">Since 1970-01-01 UTC.</param>
/// <param name="Amount">Above 0.</param>
public readonly record struct WindowBucket(long Second, long Amount);

/// <summary>
/// What happened within the last 60 seconds, in buckets of one second. A bucket counts until its youngest instant is 60 seconds old, so the
/// sum is never below the truth: a limit that the sum keeps is kept in every 60 seconds. Immutable; times are milliseconds since 1970 UTC.
/// </summary>
public sealed record SlidingWindow(ImmutableArray<WindowBucket> Buckets)
{
    public const long SpanMs = 60_000;

    public static SlidingWindow Empty { get; } = new([]);

    public long Sum(long nowMs)
    {
        var sum = 0L;
        foreach (var bucket in Buckets)
        {
            if (EndMs(bucket) > nowMs) sum += bucket.Amount;
        }

        return sum;
    }

    /// <summary>Adds to the bucket of now; a clock that stepped back adds to the newest bucket instead.</summary>
    /// <param name="second">The bucket's second, by which <see cref="Adjust"/> finds it again.</param>
    public SlidingWindow Add(long nowMs, long amount, out long second)
    {
        second = nowMs / 1000;
        if (Buckets.Length > 0) second = Math.Max(second, Buckets[^1].Second);
        return With(nowMs, second, amount);
    }

    /// <summary>Changes the bucket of an earlier <see cref="Add"/>, unless it has left the window. Never below 0.</summary>
    public SlidingWindow Adjust(long nowMs, long second, long delta) =>
        delta == 0 || EndMs(new WindowBucket(second, 0)) <= nowMs ? this : With(nowMs, second, delta);

    /// <summary>How long until <paramref name="amount"/> more would keep the limit: 0 when it does now, null when it never will.</summary>
    public long? WaitMs(long nowMs, long amount, long limit)
    {
        if (amount > limit) return null;
        var excess = Sum(nowMs) + amount - limit;
        var waitMs = 0L;
        foreach (var bucket in Buckets)
        {
            if (excess <= 0) break;
            if (EndMs(bucket) <= nowMs) continue;
            excess -= bucket.Amount;
            waitMs = EndMs(bucket) - nowMs;
        }

        return waitMs;
    }

    /// <summary>How long until the window is empty.</summary>
    public long EmptyMs(long nowMs) => Buckets.Length == 0 ? 0 : Math.Max(0, EndMs(Buckets[^1]) - nowMs);

    public bool Equals(SlidingWindow? other) => other is not null && Buckets.SequenceEqual(other.Buckets);

    public override int GetHashCode() => Buckets.Length;

    /// <summary>The instant from which a bucket counts no more.</summary>
    private static long EndMs(WindowBucket bucket) => ((bucket.Second + 1) * 1000) + SpanMs;

    private SlidingWindow With(long nowMs, long second, long delta)
    {
        var buckets = ImmutableArray.CreateBuilder<WindowBucket>(Buckets.Length + 1);
        var placed = false;
        foreach (var bucket in Buckets)
        {
            if (EndMs(bucket) <= nowMs) continue;
            if (!placed && bucket.Second >= second)
            {
                placed = true;
                var amount = delta + (bucket.Second == second ? bucket.Amount : 0);
                if (amount > 0) buckets.Add(new WindowBucket(second, amount));
                if (bucket.Second == second) continue;
            }

            buckets.Add(bucket);
        }

        if (!placed && delta > 0) buckets.Add(new WindowBucket(second, delta));
        return new SlidingWindow(buckets.ToImmutable());
    }
}
