using System.Collections.Concurrent;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Quotas;

namespace FinerCut.Cluster.Quotas;

/// <summary>
/// An edge's side of <see cref="IQuotaGrain"/>: admits from leased places where it has some, and asks the key's owner where it has not. What has
/// happened is told with the next call, at once. Thread-safe.
/// </summary>
internal sealed class SlicedQuotas : IQuotaLedger, IQuotaEdge, IAsyncDisposable
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Alive = TimeSpan.FromMilliseconds(QuotaSweep.LeaseMs / 3.0);

    private readonly IGrainFactory _grains;
    private readonly TimeProvider _time;
    private readonly QuotaOwner _owner;
    private readonly IQuotaEdge _self;
    private readonly ConcurrentDictionary<string, KeyDesk> _desks = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _beating;

    public SlicedQuotas(IGrainFactory grains, QuotaOwner owner, TimeProvider time)
    {
        (_grains, _time, _owner) = (grains, time, owner);
        _self = grains.CreateObjectReference<IQuotaEdge>(this);
        _beating = Task.Run(BeatAsync);
    }

    /// <summary>Requests admitted from leased places, and by a call.</summary>
    public (long Leased, long Asked) Admissions => (_desks.Values.Sum(desk => desk.Leased), _desks.Values.Sum(desk => desk.Asked));

    public async Task<(QuotaDecision Decision, QuotaTicket? Ticket)> ReserveAsync(string keyId, KeyLimits limits, long tokens)
    {
        var decision = await Desk(keyId).ReserveAsync(limits, tokens).ConfigureAwait(false);
        return (decision, decision is QuotaAdmitted admitted ? new QuotaTicket(keyId, limits, admitted.Reservation) : null);
    }

    public Task ChargeAsync(QuotaTicket ticket, long tokens) => Desk(ticket.KeyId).TellAsync(ticket.Limits, new QuotaEntry
    {
        Step = QuotaStep.Charge, Id = ticket.Reservation.Id, Tokens = tokens, Reservation = QuotaNotes.Write(ticket.Reservation),
    });

    public Task EndAsync(QuotaTicket ticket, bool finished) =>
        Desk(ticket.KeyId).TellAsync(ticket.Limits, new QuotaEntry { Step = QuotaStep.End, Id = ticket.Reservation.Id, Finished = finished });

    public async Task<QuotaState> ReadAsync(string keyId, CancellationToken cancellationToken) =>
        QuotaJson.Read(keyId, await _grains.GetGrain<IQuotaGrain>(keyId).ReadAsync().WaitAsync(cancellationToken).ConfigureAwait(false));

    public Task<QuotaEntry[]> RecallAsync(string keyId) => Task.FromResult(_desks.TryGetValue(keyId, out var desk) ? desk.Recall() : []);

    /// <summary>Gives all places back and tells what was not told, for a few seconds at most.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _beating.ConfigureAwait(false);
        var closing = Task.WhenAll(_desks.Values.Select(desk => desk.CloseAsync()));
        await Task.WhenAny(closing, Task.Delay(TimeSpan.FromSeconds(5), _time, CancellationToken.None)).ConfigureAwait(false);
        _stopping.Dispose();
    }

    private KeyDesk Desk(string keyId) => _desks.GetOrAdd(keyId, id => new KeyDesk(_grains.GetGrain<IQuotaGrain>(id), _self, _owner.Id, _time));

    /// <summary>Gives back places whose second is over, and says that this process lives where it holds some.</summary>
    private async Task BeatAsync()
    {
        using var timer = new PeriodicTimer(Beat, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false))
            {
                foreach (var (id, desk) in _desks)
                {
                    desk.Beat(Alive);
                    // A desk that nobody comes to any more; a request that comes in this moment opens another.
                    if (desk.IsForgotten) _desks.TryRemove(new KeyValuePair<string, KeyDesk>(id, desk));
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Told to stop.
        }
    }
}
