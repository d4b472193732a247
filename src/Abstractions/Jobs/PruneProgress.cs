namespace FinerCut.Jobs;

public enum PrunePhase { Loading, Texts, Reference, Search, Healing, Writing, Verifying, Gate, Measuring, Done }

/// <summary>One line of progress on the Worker's standard output while it prunes.</summary>
/// <param name="Step">Removals made so far in the search; units of the phase otherwise.</param>
/// <param name="Steps">Expected at the end; an estimate while a budget in bytes runs.</param>
/// <param name="Removed">What the last step removed (attn:3, ffn:7/slice0), null between steps.</param>
/// <param name="Distance">Distance of the mask after the last step, by the job's measure.</param>
/// <param name="BytesRemoved">Tensor bytes gone so far.</param>
/// <param name="Evaluations">Candidate masks scored so far.</param>
/// <param name="ElapsedSeconds">Since the job (not the process) began.</param>
/// <param name="EtaSeconds">Estimated seconds to the end of the whole job, null when unknown.</param>
public sealed record PruneProgress(
    PrunePhase Phase,
    int Step,
    int Steps,
    string? Removed,
    double? Distance,
    long BytesRemoved,
    int Evaluations,
    double ElapsedSeconds,
    double? EtaSeconds)
{
    /// <summary>Units that each sublayer is divided into, in the order of the residual stream: attention of block 0, its FFN, attention of block 1 …; null until they are known.</summary>
    public IReadOnlyList<int>? Units { get; init; }
}
