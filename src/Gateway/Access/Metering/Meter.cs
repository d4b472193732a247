using FinerCut.Gateway.Access.Quotas;
using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.Access.Metering;

/// <summary>Settles one request's reservation. One owner.</summary>
internal sealed class Meter(IQuotaLedger ledger, QuotaTicket ticket, TokenEstimate estimate)
{
    private bool _ended;

    /// <summary>Tokens charged so far.</summary>
    public long Charged { get; private set; }

    /// <summary>Answers other than 200 used nothing worth counting.</summary>
    public static UsageScanner? ScannerFor(HttpResponse response) => response.StatusCode != StatusCodes.Status200OK ? null
        : new UsageScanner(response.ContentType?.StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase) == true);

    /// <param name="last">The answer ends here: its place is free as well.</param>
    public Task SettleAsync(UsageScanner scanner, bool last) => WriteAsync(scanner.Total(estimate.Prompt), last, finished: true);

    /// <param name="scanner">Null where no answer began.</param>
    /// <param name="served">The request got its turn.</param>
    /// <param name="gone">The client left: what was done for it until then is its own.</param>
    public Task EndAsync(UsageScanner? scanner, bool served, bool gone)
    {
        if (_ended) return Task.CompletedTask;
        if (scanner is not null) return WriteAsync(scanner.Total(estimate.Prompt), last: true, finished: !gone);
        if (served && gone) return WriteAsync(estimate.Prompt, last: true, finished: false);
        _ended = true;
        return ledger.EndAsync(ticket, finished: false);
    }

    private async Task WriteAsync(long tokens, bool last, bool finished)
    {
        // Both are posted at once, so that they go into one transaction.
        var charging = ledger.ChargeAsync(ticket, tokens);
        _ended |= last;
        Charged = tokens;
        if (last) await ledger.EndAsync(ticket, finished).ConfigureAwait(false);
        await charging.ConfigureAwait(false);
    }
}
