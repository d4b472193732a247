using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Gateway.Access.Quotas;

/// <summary>Counts what keys use, wherever the counts are kept. Thread-safe.</summary>
public interface IQuotaLedger
{
    /// <param name="tokens">Upper estimate of prompt and completion.</param>
    /// <returns>The decision, and the ticket where it is <see cref="QuotaAdmitted"/>: to be ended exactly once.</returns>
    /// <exception cref="QuotaStoreException">Nothing could be counted; nothing is reserved.</exception>
    Task<(QuotaDecision Decision, QuotaTicket? Ticket)> ReserveAsync(string keyId, KeyLimits limits, long tokens);

    /// <summary>Puts the real usage in the place of the estimate. When the task ends, no crash can undo it.</summary>
    Task ChargeAsync(QuotaTicket ticket, long tokens);

    /// <summary>Frees the place; gives back what was never charged.</summary>
    Task EndAsync(QuotaTicket ticket, bool finished);

    /// <summary>What a key has used and left.</summary>
    Task<QuotaState> ReadAsync(string keyId, CancellationToken cancellationToken);
}
