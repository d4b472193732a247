using Orleans.Concurrency;
using FinerCut.Cluster.Jobs;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Memory;

namespace FinerCut.Cluster.Hosts;

/// <summary>
/// See <see cref="IHostGrain"/>. Knows nothing that the host's process does not say again within a second, so nothing is kept. Calls interleave
/// at the waits: a start takes as long as a model takes to load.
/// </summary>
[Reentrant]
public sealed class HostGrain : Grain, IHostGrain
{
    private readonly HashSet<string> _starting = new(StringComparer.Ordinal);
    private MemoryLedger? _ledger;
    private HostCard? _card;
    private IHostPort? _port;
    private IJobPort? _jobs;

    public Task JoinAsync(HostCard card, IHostPort port)
    {
        (_card, _port) = (card, port);
        // What the process holds is the truth, but for workers that it is only about to hear of.
        var coming = _ledger?.Entries.Where(entry => _starting.Contains(entry.Id)).ToArray() ?? [];
        _ledger = new MemoryLedger(new MemoryConfig(0, 0), card.LimitBytes);
        foreach (var note in card.Held) _ledger.Put(Entry(note.Id, note.ModelId, note.Bytes));
        foreach (var entry in coming) _ledger.Put(entry);
        return Task.CompletedTask;
    }

    public async Task<StartOutcome> StartAsync(WorkerOrder order)
    {
        if (_port is not { } port || _ledger is null) return Unknown();
        if (await port.ForecastAsync(order) is not { } bytes) return Refused(409, "version_file_missing", $"The host {this.GetPrimaryKeyString()} has no usable file of {order.WorkerId}.");
        var entry = Entry(order.WorkerId, order.ModelId, bytes);
        if (!_ledger.TryReserve(entry)) return Refused(503, "insufficient_memory", $"{this.GetPrimaryKeyString()}: {_ledger.DoesNotFit(entry).Message}");
        _starting.Add(order.WorkerId);
        try
        {
            var outcome = await port.StartAsync(order);
            if (outcome.Problem is not null) _ledger.Release(order.WorkerId);
            return outcome;
        }
        finally
        {
            _starting.Remove(order.WorkerId);
        }
    }

    public async Task StopAsync(WorkerOrder order)
    {
        if (_port is not { } port) return;
        await port.StopAsync(order);
        _ledger?.Release(order.WorkerId);
    }

    public Task<byte[]?> ReadFileAsync(string sha256, long offset, int length) => _port is { } port ? port.ReadFileAsync(sha256, offset, length) : Task.FromResult<byte[]?>(null);

    public Task WorkAsync(IJobPort port)
    {
        _jobs = port;
        return Task.CompletedTask;
    }

    public Task<Refusal?> BeginJobAsync(JobOrder order) => _jobs is { } jobs ? jobs.BeginAsync(order) : Task.FromResult(Unknown().Problem);

    public Task<ScorerOutcome> ScoreAsync(ScorerOrder order) => _jobs is { } jobs ? jobs.ScoreAsync(order) : Task.FromResult(new ScorerOutcome { Problem = Unknown().Problem });

    public Task EndScoreAsync(string job) => _jobs is { } jobs ? jobs.EndScoreAsync(job) : Task.CompletedTask;

    public Task CancelJobAsync(string job) => _jobs is { } jobs ? jobs.CancelAsync(job) : Task.CompletedTask;

    public Task<HostCard?> ReadAsync() => Task.FromResult(_card is null || _ledger is null ? null : _card with
    {
        Held = [.. _ledger.Entries.Select(entry => new MemoryNote { Id = entry.Id, ModelId = entry.ModelId, Bytes = entry.Forecast.Total })],
    });

    private StartOutcome Unknown() => Refused(503, "host_unknown", $"The host {this.GetPrimaryKeyString()} has not reported yet.");

    private static MemoryEntry Entry(string id, string modelId, long bytes) => new(id, modelId, new MemoryForecast(bytes, 0, 0, 0));

    private static StartOutcome Refused(int status, string code, string message) => new() { Problem = new Refusal { Status = status, Code = code, Message = message } };
}
