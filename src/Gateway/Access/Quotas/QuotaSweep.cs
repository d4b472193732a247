namespace FinerCut.Gateway.Access.Quotas;

/// <summary>The process that runs requests.</summary>
/// <param name="Instance">The same across restarts of one gateway: what its former processes left is dead at once.</param>
/// <param name="Process">Another one at every start.</param>
public sealed record QuotaOwner(string Instance, string Process)
{
    public string Id => Instance + "|" + Process;

    /// <summary>True for a former process of this instance.</summary>
    public bool Succeeds(string id) => id != Id && id.StartsWith(Instance + "|", StringComparison.Ordinal);
}

/// <summary>Finds what dead processes hold. Pure.</summary>
public static class QuotaSweep
{
    /// <summary>A process that was not heard of for this long is dead; its requests are, too.</summary>
    public const long LeaseMs = 30_000;

    public static bool IsDead(QuotaOwner me, string owner, long seenMs, long nowMs) => owner != me.Id && (me.Succeeds(owner) || seenMs + LeaseMs < nowMs);

    /// <summary>Says that this process lives.</summary>
    /// <returns>Whether somebody is dead, so that a whole sweep is due.</returns>
    public static (QuotaBook Book, bool Due) Renew(QuotaBook book, QuotaOwner me, long nowMs) =>
        (book with { Owners = book.Owners.SetItem(me.Id, nowMs) }, book.Owners.Any(owner => IsDead(me, owner.Key, owner.Value, nowMs)));

    /// <summary>
    /// Releases the reservations of dead and unknown processes, and those of this one that it does not know of (a commit whose answer was
    /// lost), and forgets states that matter no more. The book must hold all states.
    /// </summary>
    /// <returns>How many were released.</returns>
    public static (QuotaBook Book, int Released) Sweep(QuotaBook book, QuotaOwner me, IReadOnlySet<string> mine, long nowMs)
    {
        var dead = book.Owners.Where(owner => IsDead(me, owner.Key, owner.Value, nowMs)).Select(owner => owner.Key).ToHashSet();
        bool Gone(Reservation reservation) => reservation.Owner == me.Id
            ? !mine.Contains(reservation.Id)
            : dead.Contains(reservation.Owner) || !book.Owners.ContainsKey(reservation.Owner);

        var states = book.States;
        var released = 0;
        foreach (var (key, state) in book.States)
        {
            released += state.Running.Count(Gone);
            var next = QuotaArithmetic.Release(state, Gone, nowMs);
            if (QuotaArithmetic.IsSpent(next, nowMs)) states = states.Remove(key);
            else if (!ReferenceEquals(next, state)) states = states.SetItem(key, next);
        }

        return (new QuotaBook(states, book.Owners.RemoveRange(dead).SetItem(me.Id, nowMs)), released);
    }
}
