using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Quotas;

namespace FinerCut.Cluster.Quotas;

/// <summary>One key's business at one edge: the leased places, and what is still to be told. One call to the key's owner at a time. Thread-safe.</summary>
internal sealed class KeyDesk(IQuotaGrain grain, IQuotaEdge edge, string owner, TimeProvider time)
{
    private static readonly TimeSpan CallPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Forgotten = TimeSpan.FromMinutes(2);

    private readonly Lock _gate = new();
    private readonly List<Pending> _pending = [];
    private readonly Stack<Reservation> _spares = new();
    private readonly HashSet<string> _running = new(StringComparer.Ordinal);
    private KeyLimits _limits = KeyLimits.None;
    private QuotaView? _view;
    private long _sparesUntil;
    private long _told = time.GetTimestamp();
    private long _second;
    private int _thisSecond;
    private int _lastSecond;
    private long _tokens;
    private Task _calling = Task.CompletedTask;
    private bool _isCalling;

    public long Leased { get; private set; }

    public long Asked { get; private set; }

    public bool IsForgotten
    {
        get
        {
            lock (_gate) return !_isCalling && _pending.Count == 0 && _spares.Count == 0 && _running.Count == 0 && time.GetElapsedTime(_told) > Forgotten;
        }
    }

    public async Task<QuotaDecision> ReserveAsync(KeyLimits limits, long tokens)
    {
        var id = Guid.CreateVersion7().ToString("N");
        Pending asked;
        lock (_gate)
        {
            _limits = limits;
            Count(tokens);
            if (TakeSpare(tokens) is { } leased) return leased;
            Asked++;
            asked = Tell(new QuotaEntry { Step = QuotaStep.Reserve, Id = id, Tokens = tokens });
        }

        await asked.Done.Task.ConfigureAwait(false);
        return asked.Decision!;
    }

    public Task TellAsync(KeyLimits limits, QuotaEntry entry)
    {
        lock (_gate)
        {
            _limits = limits;
            if (entry.Step == QuotaStep.End) _running.Remove(entry.Id);
            return Tell(entry).Done.Task;
        }
    }

    /// <summary>
    /// All leased places that nobody took. They are told of once more with the next call, in case this answer is lost: to end what has ended
    /// means nothing.
    /// </summary>
    public QuotaEntry[] Recall()
    {
        lock (_gate)
        {
            var shrinks = _pending.Select(pending => pending.Entry).Where(entry => entry.Step == QuotaStep.Shrink).ToArray();
            return [.. shrinks, .. GiveBack()];
        }
    }

    public void Beat(TimeSpan alive)
    {
        lock (_gate)
        {
            GiveBackOld();
            if (_running.Count > 0 && !_isCalling && time.GetElapsedTime(_told) > alive) Call();
        }
    }

    /// <summary>Completes when all is told.</summary>
    public Task CloseAsync()
    {
        lock (_gate)
        {
            GiveBack();
            return _calling;
        }
    }

    /// <summary>Under the gate, as all below but the call itself.</summary>
    private Pending Tell(QuotaEntry entry)
    {
        var pending = new Pending(entry);
        _pending.Add(pending);
        if (!_isCalling) Call();
        return pending;
    }

    private QuotaAdmitted? TakeSpare(long tokens)
    {
        GiveBackOld();
        if (!_spares.TryPeek(out var spare) || spare.Tokens < tokens) return null;
        _spares.Pop();
        Leased++;
        _running.Add(spare.Id);
        // What the place holds beyond the request's estimate is free again as soon as the owner hears of it.
        if (spare.Tokens > tokens) Tell(new QuotaEntry { Step = QuotaStep.Shrink, Id = spare.Id, Tokens = tokens });
        _view = Less(_view!, tokens);
        return new QuotaAdmitted(spare with { Tokens = tokens }, _view);
    }

    /// <summary>Requests that came during a call take the places that it brought. Where that is not enough, no place stays here unused while the owner decides.</summary>
    private void ServeWaiting()
    {
        foreach (var waiting in _pending.Where(pending => pending.Entry.Step == QuotaStep.Reserve).ToArray())
        {
            if (TakeSpare(waiting.Entry.Tokens) is not { } leased) continue;
            Asked--;
            _pending.Remove(waiting);
            waiting.Decision = leased;
            waiting.Done.TrySetResult();
        }

        if (_pending.Exists(pending => pending.Entry.Step == QuotaStep.Reserve)) GiveBack();
    }

    private void GiveBackOld()
    {
        if (_spares.Count > 0 && time.GetTimestamp() >= _sparesUntil) GiveBack();
    }

    private List<QuotaEntry> GiveBack()
    {
        var ended = _spares.Select(spare => new QuotaEntry { Step = QuotaStep.End, Id = spare.Id }).ToList();
        _spares.Clear();
        foreach (var entry in ended) Tell(entry);
        return ended;
    }

    /// <summary>How many requests came lately: as many places are worth leasing.</summary>
    private void Count(long tokens)
    {
        var second = time.GetTimestamp() / time.TimestampFrequency;
        if (second != _second)
        {
            (_lastSecond, _thisSecond) = (second == _second + 1 ? _thisSecond : 0, 0);
            _tokens = second == _second + 1 ? _tokens : 0;
            _second = second;
        }

        _thisSecond++;
        _tokens = Math.Max(_tokens, tokens);
    }

    private void Call()
    {
        _isCalling = true;
        _calling = Task.Run(CallAsync);
    }

    private async Task CallAsync()
    {
        while (true)
        {
            Pending[] batch;
            QuotaCall call;
            var sent = time.GetTimestamp();
            lock (_gate)
            {
                ServeWaiting();
                if (_pending.Count == 0)
                {
                    _isCalling = false;
                    return;
                }

                // What has ended first: its places are free for who asks.
                batch = [.. _pending.OrderBy(pending => pending.Entry.Step == QuotaStep.Reserve)];
                _pending.Clear();
                var asks = batch.Any(pending => pending.Entry.Step == QuotaStep.Reserve);
                call = new QuotaCall
                {
                    Owner = owner,
                    Limits = LimitsNote.Of(_limits),
                    Entries = [.. batch.Select(pending => pending.Entry)],
                    // Whoever comes alone needs no slice; whoever comes often gets what he used lately.
                    SpareWanted = asks && Math.Max(_thisSecond, _lastSecond) is > 2 and var lately ? Math.Min(QuotaSlices.Most, lately) : 0,
                    SpareTokens = _tokens,
                };
            }

            try
            {
                var answer = await grain.SettleAsync(call, edge).WaitAsync(CallPatience, time).ConfigureAwait(false);
                lock (_gate) Take(batch, answer, sent);
                foreach (var pending in batch) pending.Done.TrySetResult();
            }
            catch (Exception exception)
            {
                lock (_gate) _pending.InsertRange(0, batch.Where(pending => pending.Entry.Step != QuotaStep.Reserve));
                foreach (var pending in batch.Where(pending => pending.Entry.Step == QuotaStep.Reserve)) pending.Done.TrySetException(new QuotaStoreException(exception));
                await Task.Delay(RetryPause, time, CancellationToken.None).ConfigureAwait(false);
            }

            lock (_gate)
            {
                if (_pending.Count > 0) continue;
                _isCalling = false;
                return;
            }
        }
    }

    private void Take(Pending[] batch, QuotaAnswer answer, long sent)
    {
        _told = sent;
        var decisions = answer.Decisions.Select(QuotaNotes.ReadDecision).GetEnumerator();
        foreach (var pending in batch.Where(pending => pending.Entry.Step == QuotaStep.Reserve))
        {
            decisions.MoveNext();
            pending.Decision = decisions.Current;
            _view = pending.Decision.View;
            if (pending.Decision is QuotaAdmitted admitted) _running.Add(admitted.Reservation.Id);
        }

        if (answer.Spares.Length == 0) return;
        // Those of an earlier slice count in an earlier second.
        GiveBack();
        foreach (var spare in answer.Spares) _spares.Push(QuotaNotes.ReadReservation(spare));
        // Counted from before the call, which is earlier than the owner's count: never too late, whatever the two clocks say.
        _sparesUntil = sent + (answer.SparesMs * time.TimestampFrequency / 1000);
    }

    private static QuotaView Less(QuotaView view, long tokens) => view with
    {
        Requests = view.Requests with { Remaining = Math.Max(0, view.Requests.Remaining - 1) },
        Tokens = view.Tokens with { Remaining = Math.Max(0, view.Tokens.Remaining - tokens) },
    };

    private sealed record Pending(QuotaEntry Entry)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public QuotaDecision? Decision { get; set; }
    }
}
