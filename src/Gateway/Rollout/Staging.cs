using FinerCut.Gateway.Storage;
using FinerCut.Gateway.Workers;

namespace FinerCut.Gateway.Rollout;

/// <summary>Brings the workers of versions up, and proves them, and takes them down. Thread-safe.</summary>
public sealed class Staging(Supervisor supervisor, WorkerProbe probe)
{
    /// <summary>Null once the version's worker is ready and has answered a completion; otherwise why it has not.</summary>
    public async Task<string?> BringUpAsync(WorkerSpec worker, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(worker);
        try
        {
            if (ModelFiles.Problem(worker.ModelPath) is { } problem) return problem;
            // A worker that is down keeps its memory of deaths; whoever asks for the version now deserves a fresh start.
            if (supervisor.Find(worker.WorkerId)?.State is WorkerState.BackingOff or WorkerState.Broken) await supervisor.StopAsync(worker.WorkerId);
            var owner = supervisor.Start(worker);
            var seen = await owner.WhenAsync(state => state is not (WorkerState.Starting or WorkerState.Loading), cancellationToken);
            if (seen.State != WorkerState.Ready) return seen.Reason ?? $"The worker is {seen.State}.";
            return await probe.CompleteAsync(seen.Address!, worker.ModelId, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return "It was cancelled.";
        }
    }

    /// <summary>Without waiting for it.</summary>
    public void Start(WorkerSpec worker) => supervisor.Start(worker);

    public Task StopAsync(WorkerSpec worker)
    {
        ArgumentNullException.ThrowIfNull(worker);
        return supervisor.StopAsync(worker.WorkerId);
    }
}
