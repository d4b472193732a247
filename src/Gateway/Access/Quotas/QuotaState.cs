using System.Collections.Immutable;

namespace FinerCut.Gateway.Access.Quotas;

/// <summary>A place taken by a running request. Immutable.</summary>
/// <param name="Owner">The process that runs it.</param>
/// <param name="BeganMs">Milliseconds since 1970 UTC, as are all times here.</param>
/// <param name="RequestSecond">Its bucket in the window of requests.</param>
/// <param name="TokenSecond">Its bucket in the window of tokens.</param>
/// <param name="Day">Days since 1970 UTC on which its tokens count.</param>
/// <param name="Tokens">What it holds in the window and on the day: reserved, or real once <paramref name="Charged"/>.</param>
public sealed record Reservation(string Id, string Owner, long BeganMs, long RequestSecond, long TokenSecond, long Day, long Tokens, bool Charged);

/// <summary>All that is counted of one key. Immutable; changed by <see cref="QuotaArithmetic"/> alone.</summary>
/// <param name="Day">Days since 1970 UTC that <paramref name="DayTokens"/> is of.</param>
/// <param name="MeanMs">Moving mean of how long requests take; 0 until one has ended.</param>
public sealed record QuotaState(
    SlidingWindow Requests, SlidingWindow Tokens, long Day, long DayTokens, double MeanMs, ImmutableArray<Reservation> Running)
{
    public static QuotaState Empty { get; } = new(SlidingWindow.Empty, SlidingWindow.Empty, 0, 0, 0, []);

    public bool Equals(QuotaState? other) => other is not null && Requests == other.Requests && Tokens == other.Tokens && Day == other.Day
        && DayTokens == other.DayTokens && MeanMs.Equals(other.MeanMs) && Running.SequenceEqual(other.Running);

    public override int GetHashCode() => HashCode.Combine(Day, DayTokens, Running.Length);
}

/// <summary>Which limit refused.</summary>
public enum QuotaKind
{
    Requests,
    Tokens,
    Concurrency,
    DailyTokens,
}

/// <param name="Limit">Null where the key has none.</param>
/// <param name="Reset">Until nothing of it is used any more.</param>
public sealed record QuotaGauge(long? Limit, long Remaining, TimeSpan Reset);

/// <summary>What is left of a key's minute, for the x-ratelimit headers.</summary>
public sealed record QuotaView(QuotaGauge Requests, QuotaGauge Tokens);

/// <summary>The outcome of a reservation.</summary>
public abstract record QuotaDecision(QuotaView View);

public sealed record QuotaAdmitted(Reservation Reservation, QuotaView View) : QuotaDecision(View);

/// <param name="Limit">The bound that was met.</param>
/// <param name="Asked">What this request would have added to it.</param>
/// <param name="RetryAfter">Null: never, the request alone is above the limit.</param>
public sealed record QuotaRefused(QuotaKind Kind, long Limit, long Asked, TimeSpan? RetryAfter, QuotaView View) : QuotaDecision(View);
