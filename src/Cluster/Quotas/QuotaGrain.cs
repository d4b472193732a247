using FinerCut.Cluster.Hosting;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Quotas;
using Microsoft.Extensions.Logging;

namespace FinerCut.Cluster.Quotas;

/// <summary>A key's counts as they are kept.</summary>
[GenerateSerializer, Alias("finercut.quota-record")]
public sealed class QuotaRecord
{
    /// <summary>As <see cref="QuotaJson"/> writes it; empty before the first request.</summary>
    [Id(0)] public string State { get; set; } = "";
}

/// <summary>See <see cref="IQuotaGrain"/>. One call at a time, so every decision is made on the whole truth; it is written before it is told.</summary>
public sealed partial class QuotaGrain(
    [PersistentState("quota", QuotaGrain.Storage)] IPersistentState<QuotaRecord> record, TimeProvider time, ILogger<QuotaGrain> logger) : Grain, IQuotaGrain
{
    public const string Storage = "finercut";

    /// <summary>An edge that does not answer a recall for so long is left out: what it leased is void with its second.</summary>
    private static readonly TimeSpan RecallPatience = TimeSpan.FromMilliseconds(500);

    private readonly Dictionary<string, Owner> _owners = new(StringComparer.Ordinal);
    private QuotaState _state = QuotaState.Empty;

    private long NowMs => time.GetUtcNow().ToUnixTimeMilliseconds();

    private string KeyId => this.GetPrimaryKeyString();

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        if (record.State.State.Length > 0) _state = QuotaJson.Read(KeyId, record.State.State);
        // Whoever holds places gets the time of a lease to say that he lives.
        foreach (var owner in _state.Running.Select(reservation => reservation.Owner).Distinct()) _owners[owner] = new Owner(null, NowMs);
        return Task.CompletedTask;
    }

    public async Task<QuotaAnswer> SettleAsync(QuotaCall call, IQuotaEdge? edge)
    {
        var limits = call.Limits.ToLimits();
        Release(call.Owner);
        _owners[call.Owner] = new Owner(edge ?? _owners.GetValueOrDefault(call.Owner)?.Edge, NowMs);
        var decisions = new List<string>();
        foreach (var entry in call.Entries)
        {
            if (entry.Step == QuotaStep.Reserve) decisions.Add(QuotaNotes.Write(await DecideAsync(entry, call.Owner, limits)));
            else _state = QuotaSlices.Apply(_state, entry, call.Owner, NowMs);
        }

        var nowMs = NowMs;
        var spares = edge is null ? [] : Lease(call, limits, nowMs);
        await SaveAsync();
        return new QuotaAnswer { Decisions = [.. decisions], Spares = spares, SparesMs = 1000 - (nowMs % 1000) };
    }

    public async Task<string> ReadAsync()
    {
        await RecallAsync(except: null);
        return QuotaJson.Write(_state);
    }

    private async Task<QuotaDecision> DecideAsync(QuotaEntry entry, string owner, KeyLimits limits)
    {
        var (state, decision) = QuotaArithmetic.Reserve(_state, limits, entry.Tokens, (entry.Id, owner), NowMs);
        if (decision is QuotaRefused && await RecallAsync(owner))
        {
            (state, decision) = QuotaArithmetic.Reserve(_state, limits, entry.Tokens, (entry.Id, owner), NowMs);
        }

        _state = state;
        return decision;
    }

    /// <summary>Places for requests to come, all in the bucket of now.</summary>
    private string[] Lease(QuotaCall call, KeyLimits limits, long nowMs)
    {
        var places = QuotaSlices.Grant(_state, limits, call.SpareWanted, call.SpareTokens, nowMs);
        var leased = new List<string>();
        for (var i = 0; i < places; i++)
        {
            var (state, decision) = QuotaArithmetic.Reserve(_state, limits, call.SpareTokens, (Guid.CreateVersion7().ToString("N"), call.Owner), nowMs);
            if (decision is not QuotaAdmitted admitted) break;
            _state = state;
            leased.Add(QuotaNotes.Write(admitted.Reservation));
        }

        if (leased.Count > 0) _owners[call.Owner].HasSpares = true;
        return [.. leased];
    }

    /// <summary>Calls unused places back from the edges that may have some. False where there was nothing to call back.</summary>
    private async Task<bool> RecallAsync(string? except)
    {
        var asked = _owners.Where(owner => owner.Key != except && owner.Value is { Edge: not null, HasSpares: true }).ToArray();
        var told = await Task.WhenAll(asked.Select(owner => AskAsync(owner.Key, owner.Value)));
        var changed = false;
        foreach (var (owner, entries) in asked.Zip(told))
        {
            foreach (var entry in entries) _state = QuotaSlices.Apply(_state, entry, owner.Key, NowMs);
            changed |= entries.Length > 0;
        }

        return changed;
    }

    private async Task<QuotaEntry[]> AskAsync(string id, Owner owner)
    {
        try
        {
            var entries = await owner.Edge!.RecallAsync(KeyId).WaitAsync(RecallPatience, time);
            owner.HasSpares = false;
            return entries;
        }
        catch (Exception exception)
        {
            LogSilentEdge(logger, id, exception.GetType().Name);
            return [];
        }
    }

    /// <summary>Ends what runs under processes that are gone.</summary>
    private void Release(string caller)
    {
        var nowMs = NowMs;
        var gone = _owners.Where(owner => owner.Key != caller && (owner.Value.SeenMs + QuotaSweep.LeaseMs < nowMs || Succeeds(caller, owner.Key))).Select(owner => owner.Key).ToHashSet();
        if (gone.Count == 0) return;
        foreach (var owner in gone) _owners.Remove(owner);
        _state = QuotaArithmetic.Release(_state, reservation => gone.Contains(reservation.Owner), nowMs);
    }

    /// <summary>A former process of the same machine.</summary>
    private static bool Succeeds(string caller, string other) => caller.Split('|') is [var instance, var process] && new QuotaOwner(instance, process).Succeeds(other);

    private async Task SaveAsync()
    {
        var text = QuotaJson.Write(_state);
        if (text == record.State.State) return;
        record.State.State = text;
        await this.WriteOrLeaveAsync(record);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The edge {Edge} did not give back unused places ({Kind}).")]
    private static partial void LogSilentEdge(ILogger logger, string edge, string kind);

    private sealed record Owner(IQuotaEdge? Edge, long SeenMs)
    {
        /// <summary>Whether places may be out.</summary>
        public bool HasSpares { get; set; } = true;
    }
}
