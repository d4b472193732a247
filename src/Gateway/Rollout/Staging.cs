using FinerCut.Gateway.Memory;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Storage;
using FinerCut.Gateway.Workers;
using FinerCut.Gguf;

namespace FinerCut.Gateway.Rollout;

/// <summary>Brings the workers of versions up, and proves them, and takes them down. None is started that the ledger has no room for. Thread-safe.</summary>
public sealed class Staging(Supervisor supervisor, WorkerProbe probe, MemoryLedger ledger)
{
    /// <summary>Frees memory for a model, where that is possible; set once before the first worker.</summary>
    public Func<long, string, Task> MakeRoomAsync { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>Null when the worker's memory is reserved for it; otherwise why not, with the figures.</summary>
    public async Task<ApiError?> ReserveAsync(WorkerSpec worker)
    {
        ArgumentNullException.ThrowIfNull(worker);
        if (ledger.Holds(worker.WorkerId)) return null;
        MemoryEntry entry;
        try
        {
            entry = new MemoryEntry(worker.WorkerId, worker.ModelId, Forecasts.OfWorker(worker.ModelPath, worker.ContextSize, worker.Parallel, worker.Device));
        }
        catch (Exception exception) when (exception is GgufException or IOException or UnauthorizedAccessException)
        {
            return ApiError.Conflict($"The file of {worker.WorkerId} is not usable: {exception.Message}", "version_file_unusable");
        }

        if (ledger.TryReserve(entry)) return null;
        await MakeRoomAsync(entry.Forecast.Total, worker.ModelId);
        return ledger.TryReserve(entry) ? null : ledger.DoesNotFit(entry);
    }

    /// <summary>Null once the version's worker is ready and has answered a completion; otherwise why it has not.</summary>
    /// <param name="worker">With memory reserved.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<string?> BringUpAsync(WorkerSpec worker, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(worker);
        try
        {
            if (ModelFiles.Problem(worker.ModelPath) is { } problem) return problem;
            // A worker that is down keeps its memory of deaths; whoever asks for the version now deserves a fresh start.
            if (supervisor.Find(worker.WorkerId)?.State is WorkerState.BackingOff or WorkerState.Broken) await supervisor.StopAsync(worker.WorkerId);
            var owner = supervisor.Start(worker);
            // A drain that ended just now may have given the memory back for the old worker.
            if (await ReserveAsync(worker) is { } gone) return gone.Message;
            var seen = await owner.WhenAsync(state => state is not (WorkerState.Starting or WorkerState.Loading), cancellationToken);
            if (seen.State != WorkerState.Ready) return seen.Reason ?? $"The worker is {seen.State}.";
            return await probe.CompleteAsync(seen.Address!, worker.ModelId, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return "It was cancelled.";
        }
    }

    /// <summary>Without waiting for it; with memory reserved.</summary>
    public void Start(WorkerSpec worker) => supervisor.Start(worker);

    /// <summary>Completes when its process is gone and its memory is given back.</summary>
    public async Task StopAsync(WorkerSpec worker)
    {
        ArgumentNullException.ThrowIfNull(worker);
        await supervisor.StopAsync(worker.WorkerId);
        // Fetched back meanwhile, it has a worker again.
        if (supervisor.Find(worker.WorkerId) is null) ledger.Release(worker.WorkerId);
    }
}
