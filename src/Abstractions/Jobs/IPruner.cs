using FinerCut.Calibration;

namespace FinerCut.Jobs;

/// <summary>A pruning method. The Worker hosts it beside the native runtime; one job a process.</summary>
public interface IPruner
{
    /// <summary>
    /// Runs or resumes a job. Expected failures (gate, budget, cancellation) are outcomes of the result; progress comes on the caller's context.
    /// </summary>
    Task<PruneResult> PruneAsync(PruneRequest request, PruneTraffic traffic, IProgress<PruneProgress> progress, CancellationToken cancellationToken);
}

/// <summary>The two sets of a job, disjoint by conversation.</summary>
public sealed record PruneTraffic(CalibrationSet Calibration, CalibrationSet HeldOut);
