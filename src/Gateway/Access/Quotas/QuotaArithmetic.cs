using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Gateway.Access.Quotas;

/// <summary>
/// Reserve before, charge what was really used, end. Pure: state and time in, state out. A request counts from the instant of its
/// reservation; its tokens are moved from reserved to real in the same bucket, so nothing is counted twice and nothing leaks.
/// </summary>
public static class QuotaArithmetic
{
    private const long DayMs = 86_400_000;

    /// <summary>Weight of the newest request in the mean of durations.</summary>
    private const double NewestShare = 0.2;

    /// <param name="tokens">Upper estimate of prompt and completion together, 0 or more.</param>
    /// <param name="name">Id and owner of the reservation, if it is made.</param>
    public static (QuotaState State, QuotaDecision Decision) Reserve(
        QuotaState state, KeyLimits limits, long tokens, (string Id, string Owner) name, long nowMs)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        if (Refusal(state, limits, tokens, nowMs) is { } refused) return (state, refused);

        var requests = state.Requests.Add(nowMs, 1, out var requestSecond);
        var window = state.Tokens.Add(nowMs, tokens, out var tokenSecond);
        var day = Math.Max(nowMs / DayMs, state.Day);
        var reservation = new Reservation(name.Id, name.Owner, nowMs, requestSecond, tokenSecond, day, tokens, Charged: false);
        var next = state with
        {
            Requests = requests,
            Tokens = window,
            Day = day,
            DayTokens = (day == state.Day ? state.DayTokens : 0) + tokens,
            Running = state.Running.Add(reservation),
        };
        return (next, new QuotaAdmitted(reservation, View(next, limits, nowMs)));
    }

    /// <summary>
    /// Puts the real usage in the place of the reserved; the request still runs. Again: the last figure holds. Usage of a reservation that
    /// was given up meanwhile (its process was thought dead) is counted all the same: it happened.
    /// </summary>
    public static QuotaState Charge(QuotaState state, Reservation reservation, long tokens, long nowMs)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        var held = Find(state, reservation.Id);
        if (held is null) return Move(state, reservation, tokens, nowMs) with { Requests = state.Requests.Adjust(nowMs, reservation.RequestSecond, 1) };
        return Move(state, held, tokens - held.Tokens, nowMs) with { Running = state.Running.Replace(held, held with { Tokens = tokens, Charged = true }) };
    }

    /// <summary>Makes what an uncharged reservation holds smaller or larger, in its own bucket. Nothing where it is charged or gone.</summary>
    public static QuotaState Resize(QuotaState state, string id, long tokens, long nowMs)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        if (Find(state, id) is not { Charged: false } held) return state;
        return Move(state, held, tokens - held.Tokens, nowMs) with { Running = state.Running.Replace(held, held with { Tokens = tokens }) };
    }

    /// <summary>Frees the place. What was never charged is given back whole, the request too: an answer that was not given costs nothing.</summary>
    /// <param name="finished">True when the duration says something about the next ones.</param>
    public static QuotaState End(QuotaState state, string id, bool finished, long nowMs)
    {
        var held = Find(state, id);
        if (held is null) return state;
        var next = held.Charged ? state : Move(state, held, -held.Tokens, nowMs) with { Requests = state.Requests.Adjust(nowMs, held.RequestSecond, -1) };
        var tookMs = Math.Max(0, nowMs - held.BeganMs);
        return next with
        {
            Running = state.Running.Remove(held),
            MeanMs = !finished ? state.MeanMs : state.MeanMs <= 0 ? tookMs : state.MeanMs + (NewestShare * (tookMs - state.MeanMs)),
        };
    }

    /// <summary>Ends what runs under owners that are gone.</summary>
    public static QuotaState Release(QuotaState state, Func<Reservation, bool> gone, long nowMs) =>
        state.Running.Where(gone).Aggregate(state, (next, reservation) => End(next, reservation.Id, finished: false, nowMs));

    /// <summary>True when nothing in the state matters any more.</summary>
    public static bool IsSpent(QuotaState state, long nowMs) =>
        state.Running.IsEmpty && state.Day < nowMs / DayMs && state.Requests.Sum(nowMs) == 0 && state.Tokens.Sum(nowMs) == 0;

    /// <summary>Tokens counted on the day of now.</summary>
    public static long DayTokens(QuotaState state, long nowMs) => Math.Max(nowMs / DayMs, state.Day) == state.Day ? state.DayTokens : 0;

    public static QuotaView View(QuotaState state, KeyLimits limits, long nowMs) => new(
        Gauge(state.Requests, limits.RequestsPerMinute, nowMs),
        Gauge(state.Tokens, limits.TokensPerMinute, nowMs));

    private static QuotaGauge Gauge(SlidingWindow window, long? limit, long nowMs) =>
        new(limit, limit is null ? 0 : Math.Max(0, limit.Value - window.Sum(nowMs)), TimeSpan.FromMilliseconds(window.EmptyMs(nowMs)));

    /// <summary>The limit that keeps the request out longest, or null when none does.</summary>
    private static QuotaRefused? Refusal(QuotaState state, KeyLimits limits, long tokens, long nowMs)
    {
        (QuotaKind Kind, long? Limit, long Asked, long? Wait)[] waits =
        [
            (QuotaKind.Requests, limits.RequestsPerMinute, 1, limits.RequestsPerMinute is { } rpm ? state.Requests.WaitMs(nowMs, 1, rpm) : 0),
            (QuotaKind.Tokens, limits.TokensPerMinute, tokens, limits.TokensPerMinute is { } tpm ? state.Tokens.WaitMs(nowMs, tokens, tpm) : 0),
            (QuotaKind.Concurrency, limits.Concurrency, 1, limits.Concurrency is { } places ? PlaceWaitMs(state, places, nowMs) : 0),
            (QuotaKind.DailyTokens, limits.TokensPerDay, tokens, limits.TokensPerDay is { } daily ? DayWaitMs(state, tokens, daily, nowMs) : 0),
        ];
        var longest = waits.MaxBy(wait => wait.Wait ?? long.MaxValue);
        return longest.Wait == 0 ? null : new QuotaRefused(
            longest.Kind,
            longest.Limit!.Value,
            longest.Asked,
            longest.Wait is { } waitMs ? TimeSpan.FromMilliseconds(waitMs) : null,
            View(state, limits, nowMs));
    }

    private static long? DayWaitMs(QuotaState state, long tokens, long limit, long nowMs) =>
        tokens > limit ? null
        : DayTokens(state, nowMs) + tokens <= limit ? 0
        : ((Math.Max(nowMs / DayMs, state.Day) + 1) * DayMs) - nowMs;

    /// <summary>Until so many of the running requests have ended as leave a place, each taking the mean; an overdue one takes a tenth more.</summary>
    private static long? PlaceWaitMs(QuotaState state, int limit, long nowMs)
    {
        if (limit <= 0) return null;
        var tooMany = state.Running.Length - limit + 1;
        if (tooMany <= 0) return 0;
        var meanMs = state.MeanMs <= 0 ? 1000 : state.MeanMs;
        var ends = state.Running.Select(running => Math.Max(running.BeganMs + meanMs - nowMs, meanMs / 10)).Order();
        return Math.Max(1, (long)Math.Ceiling(ends.ElementAt(tooMany - 1)));
    }

    private static QuotaState Move(QuotaState state, Reservation reservation, long delta, long nowMs) => state with
    {
        Tokens = state.Tokens.Adjust(nowMs, reservation.TokenSecond, delta),
        DayTokens = state.Day == reservation.Day ? Math.Max(0, state.DayTokens + delta) : state.DayTokens,
    };

    private static Reservation? Find(QuotaState state, string id)
    {
        foreach (var reservation in state.Running)
        {
            if (reservation.Id == id) return reservation;
        }

        return null;
    }
}
