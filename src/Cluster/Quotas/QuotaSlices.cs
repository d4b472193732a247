using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Quotas;

namespace FinerCut.Cluster.Quotas;

/// <summary>How many places an edge is leased ahead, and the arithmetic of one call. Pure, over <see cref="QuotaArithmetic"/>.</summary>
internal static class QuotaSlices
{
    /// <summary>No slice is larger.</summary>
    public const int Most = 64;

    /// <summary>Of what is left of a limit, one slice takes this share at most: near the limit every request asks, and nobody has to be called back.</summary>
    private const int ShareOfRest = 8;

    /// <summary>Places to be leased: what is wanted, as far as every limit leaves plenty.</summary>
    public static int Grant(QuotaState state, KeyLimits limits, int wanted, long tokens, long nowMs)
    {
        var most = Math.Min(wanted, Most);
        most = Least(most, limits.RequestsPerMinute - state.Requests.Sum(nowMs), 1);
        most = Least(most, limits.TokensPerMinute - state.Tokens.Sum(nowMs), Math.Max(1, tokens));
        most = Least(most, limits.TokensPerDay - QuotaArithmetic.DayTokens(state, nowMs), Math.Max(1, tokens));
        return Least(most, limits.Concurrency - state.Running.Length, 1);
    }

    public static QuotaState Apply(QuotaState state, QuotaEntry entry, string owner, long nowMs) => entry.Step switch
    {
        QuotaStep.Shrink => QuotaArithmetic.Resize(state, entry.Id, entry.Tokens, nowMs),
        QuotaStep.Charge => QuotaArithmetic.Charge(state, Held(state, entry, owner, nowMs), entry.Tokens, nowMs),
        QuotaStep.End => QuotaArithmetic.End(state, entry.Id, entry.Finished, nowMs),
        _ => throw new ArgumentOutOfRangeException(nameof(entry), entry.Step, "Reservations are decided, not applied."),
    };

    private static Reservation Held(QuotaState state, QuotaEntry entry, string owner, long nowMs) =>
        state.Running.FirstOrDefault(held => held.Id == entry.Id)
        ?? (entry.Reservation is { } json ? QuotaNotes.ReadReservation(json) : new Reservation(entry.Id, owner, nowMs, nowMs / 1000, nowMs / 1000, nowMs / 86_400_000, 0, Charged: false));

    private static int Least(int most, long? rest, long each) => rest is { } left ? (int)Math.Clamp(left / ShareOfRest / each, 0, most) : most;
}
