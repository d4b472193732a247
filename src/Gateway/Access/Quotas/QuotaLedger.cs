using System.Collections.Concurrent;
using System.Threading.Channels;
using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Gateway.Access.Quotas;

/// <summary>The counts cannot be read or written now: nothing is let in that could not be counted.</summary>
public sealed class QuotaStoreException(Exception cause)
    : Exception("The quota store did not answer; requests of limited keys are refused until it does. Check the database of Access:Store.", cause);

/// <summary>A place within a key's limits, held by one running request.</summary>
public sealed record QuotaTicket(string KeyId, KeyLimits Limits, Reservation Reservation);

/// <summary>
/// The one owner of counts in this process. Calls from all requests are gathered and go to the store in one transaction, so that 64 clients
/// cost little more than one. Charges and ends are never lost: they are tried again until the store takes them. Thread-safe.
/// </summary>
public sealed class QuotaLedger : IQuotaLedger, IAsyncDisposable
{
    private const int LargestBatch = 256;
    private static readonly TimeSpan StoreTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);

    private readonly IQuotaStore _store;
    private readonly TimeProvider _clock;
    private readonly QuotaOwner _owner;
    private readonly Channel<QuotaEntry> _entries = Channel.CreateUnbounded<QuotaEntry>(new UnboundedChannelOptions { SingleReader = true });

    /// <summary>Ids of reservations that this process runs, or is just making.</summary>
    private readonly ConcurrentDictionary<string, bool> _mine = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;

    public QuotaLedger(IQuotaStore store, TimeProvider clock, QuotaOwner owner)
    {
        _store = store;
        _clock = clock;
        _owner = owner;
        _loop = Task.Run(RunAsync);
    }

    private long NowMs => _clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>
    /// Says that this process lives, and releases what dead ones hold. To be called once before the first reservation, and then a few times
    /// within <see cref="QuotaSweep.LeaseMs"/>.
    /// </summary>
    /// <param name="whole">Looks through all states even when no process is known to be dead.</param>
    /// <returns>How many reservations were released.</returns>
    public async Task<int> RenewAsync(bool whole, CancellationToken cancellationToken)
    {
        var due = await _store.ChangeAsync(new QuotaReach([], Owners: true), book => QuotaSweep.Renew(book, _owner, NowMs), cancellationToken).ConfigureAwait(false);
        if (!due && !whole) return 0;
        return await _store.ChangeAsync(
            new QuotaReach(null, Owners: true),
            book => QuotaSweep.Sweep(book, _owner, _mine.Keys.ToHashSet(), NowMs),
            cancellationToken).ConfigureAwait(false);
    }

    public async Task<(QuotaDecision Decision, QuotaTicket? Ticket)> ReserveAsync(string keyId, KeyLimits limits, long tokens)
    {
        var id = Guid.CreateVersion7().ToString("N");
        _mine[id] = true;
        QuotaDecision? decision = null;
        try
        {
            await PostAsync(new QuotaEntry(keyId, Kept: false, (state, nowMs) =>
            {
                (var next, decision) = QuotaArithmetic.Reserve(state, limits, tokens, (id, _owner.Id), nowMs);
                return next;
            })).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            _mine.TryRemove(id, out _);
            throw exception as QuotaStoreException ?? new QuotaStoreException(exception);
        }

        if (decision is QuotaAdmitted admitted) return (decision, new QuotaTicket(keyId, limits, admitted.Reservation));
        _mine.TryRemove(id, out _);
        return (decision!, null);
    }

    public Task ChargeAsync(QuotaTicket ticket, long tokens) =>
        PostAsync(new QuotaEntry(ticket.KeyId, Kept: true, (state, nowMs) => QuotaArithmetic.Charge(state, ticket.Reservation, tokens, nowMs)));

    public async Task EndAsync(QuotaTicket ticket, bool finished)
    {
        await PostAsync(new QuotaEntry(ticket.KeyId, Kept: true,
            (state, nowMs) => QuotaArithmetic.End(state, ticket.Reservation.Id, finished, nowMs))).ConfigureAwait(false);
        _mine.TryRemove(ticket.Reservation.Id, out _);
    }

    /// <summary>What a key has used and left; reads the store.</summary>
    public Task<QuotaState> ReadAsync(string keyId, CancellationToken cancellationToken) =>
        _store.ChangeAsync(new QuotaReach([keyId], Owners: false), book => (book, book.StateOf(keyId)), cancellationToken);

    /// <summary>Takes no more, and writes what was posted, for as long as the store's time-out.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_entries.Writer.TryComplete()) return;
        _stopping.CancelAfter(StoreTimeout);
        await _loop.ConfigureAwait(false);
        _stopping.Dispose();
    }

    private Task PostAsync(QuotaEntry entry) =>
        _entries.Writer.TryWrite(entry) ? entry.Done.Task : Task.FromException(new QuotaStoreException(new ObjectDisposedException(nameof(QuotaLedger))));

    private async Task RunAsync()
    {
        var batch = new List<QuotaEntry>();
        while (batch.Count > 0 || await _entries.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            while (batch.Count < LargestBatch && _entries.Reader.TryRead(out var entry)) batch.Add(entry);
            if (await WriteAsync(batch).ConfigureAwait(false) is not { } failure)
            {
                foreach (var entry in batch) entry.Done.TrySetResult();
                batch.Clear();
                continue;
            }

            foreach (var entry in batch.Where(entry => !entry.Kept || _stopping.IsCancellationRequested)) entry.Done.TrySetException(new QuotaStoreException(failure));
            batch.RemoveAll(entry => entry.Done.Task.IsCompleted);
            if (batch.Count > 0) await Task.Delay(RetryPause, _clock, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<Exception?> WriteAsync(List<QuotaEntry> batch)
    {
        try
        {
            using var limit = new CancellationTokenSource(StoreTimeout, _clock);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stopping.Token);
            await _store.ChangeAsync(new QuotaReach([.. batch.Select(entry => entry.KeyId).Distinct()], Owners: false), book => (Apply(book, batch), 0), either.Token)
                .ConfigureAwait(false);
            return null;
        }
        catch (Exception exception)
        {
            return exception;
        }
    }

    private QuotaBook Apply(QuotaBook book, List<QuotaEntry> batch)
    {
        var nowMs = NowMs;
        var states = book.States.ToBuilder();
        foreach (var entry in batch) states[entry.KeyId] = entry.Change(states.GetValueOrDefault(entry.KeyId, QuotaState.Empty), nowMs);
        return book with { States = states.ToImmutable() };
    }

    /// <param name="Kept">Tried again after a failure of the store.</param>
    private sealed record QuotaEntry(string KeyId, bool Kept, Func<QuotaState, long, QuotaState> Change)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
