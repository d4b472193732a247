using System.Collections.Immutable;
using System.Globalization;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Jobs;
using FinerCut.Pruning.Memory;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;

namespace FinerCut.Pruning;

/// <summary>
/// Prunes a model on its traffic (docs/pruning.md): reference → search → file → proof against the mask → gate → measures. One job at a time;
/// native code runs on the thread pool's thread that the job got.
/// </summary>
public sealed class FinerCutPruner(ILlamaRuntime runtime, TimeProvider time) : IPruner
{
    /// <summary>Told at most once a job, before anything large is held, how many bytes the managed heap may take (<see cref="JobMemory.HeapLimit"/>). For a process that does nothing but the job.</summary>
    public Action<long>? LimitHeap { get; init; }

    public Task<PruneResult> PruneAsync(
        PruneRequest request, IPruneTrafficSource traffic, IProgress<PruneProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(traffic);
        ArgumentNullException.ThrowIfNull(progress);
        return Task.Run(() => Prune(request, traffic, progress, cancellationToken), CancellationToken.None);
    }

    private PruneResult Prune(PruneRequest request, IPruneTrafficSource traffic, IProgress<PruneProgress> progress, CancellationToken cancellationToken)
    {
        var result = new PruneResult { JobId = request.JobId, Outcome = PruneOutcome.Failed };
        try
        {
            var defects = PruneRequestCheck.Check(request);
            if (defects.Length > 0) throw new JobFailure(JobErrorCodes.BadRequest, string.Join(' ', defects));
            using var job = PruneJob.Open(new JobContext(request, runtime, time, progress, LimitHeap).OnWhatIsThere(), traffic, cancellationToken);
            result = job.Run(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            result = result with { Outcome = PruneOutcome.Interrupted };
        }
        catch (Exception failure) when (ErrorOf(failure) is { } error)
        {
            result = result with { Outcome = PruneOutcome.Failed, Error = error };
        }

        return result;
    }

    /// <summary>Expected failures by their cause; null for what is a defect of ours.</summary>
    private static JobError? ErrorOf(Exception failure) => failure switch
    {
        JobFailure expected => expected.Error,
        GgufException bad => new JobError(JobErrorCodes.BadModel, bad.Message),
        UnsupportedModelException unsupported => new JobError(JobErrorCodes.UnsupportedModel, unsupported.Message),
        Scoring.UnsupportedGraphException unsupported => new JobError(JobErrorCodes.UnsupportedModel, unsupported.Message),
        TrafficException traffic => new JobError(JobErrorCodes.BadTraffic, traffic.Message),
        CheckpointException checkpoint => new JobError(JobErrorCodes.CheckpointMismatch, checkpoint.Message),
        GgufWriteException { Cause: GgufWriteCause.DiskFull } full => new JobError(JobErrorCodes.DiskFull, full.Message),
        GgufWriteException write => new JobError(JobErrorCodes.CannotWrite, write.Message),
        IOException full when DiskSpace.IsFull(full) => new JobError(JobErrorCodes.DiskFull, $"{full.Message} Free space and start the job again: it resumes."),
        IOException or UnauthorizedAccessException => new JobError(JobErrorCodes.CannotWrite, failure.Message),
        OutOfMemoryException => new JobError(JobErrorCodes.OutOfMemory, "The job's memory was not enough. Start it anew with more (memory_bytes), or with fewer max_healing_tokens or max_calibration_tokens."),
        LlamaException native => new JobError(JobErrorCodes.RuntimeFailed, $"{native.Code}: {native.Message}"),
        _ => null,
    };
}
