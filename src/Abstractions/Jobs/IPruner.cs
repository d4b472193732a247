using FinerCut.Calibration;
using FinerCut.Runtime;

namespace FinerCut.Jobs;

/// <summary>A pruning method. The Worker hosts it beside the native runtime; one job a process.</summary>
public interface IPruner
{
    /// <summary>
    /// Runs or resumes a job. Expected failures (gate, budget, too little traffic, cancellation) are outcomes of the result; progress comes on
    /// the job's thread.
    /// </summary>
    Task<PruneResult> PruneAsync(PruneRequest request, IPruneTrafficSource traffic, IProgress<PruneProgress> progress, CancellationToken cancellationToken);
}

/// <summary>Where a job's traffic comes from: what was recorded becomes tokens once the model that defines them is there.</summary>
public interface IPruneTrafficSource
{
    /// <exception cref="TrafficException">A file is missing or a line of it is no conversation.</exception>
    PruneTraffic Draw(PruneRequest request, ILlamaModel model);
}

/// <summary>The two sets of a job, disjoint by conversation.</summary>
public sealed record PruneTraffic(CalibrationSet Calibration, CalibrationSet HeldOut)
{
    /// <summary>Traffic that healing is fitted on: of the calibration conversations, as many tokens as healing may use. Null = the calibration set.</summary>
    public CalibrationSet? Healing { get; init; }

    /// <summary>General text given with the job; null where the model writes it itself.</summary>
    public CalibrationSet? General { get; init; }
}

/// <summary>Recorded traffic that cannot be read. The message names file and line and never the text.</summary>
public sealed class TrafficException(string message, Exception? inner = null) : Exception(message, inner);
