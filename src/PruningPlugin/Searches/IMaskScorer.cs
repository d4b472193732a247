using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>
/// Scores masks on the calibration set. All that a search may know of the model: greedy and lazy searches ask for one mask at a time,
/// racing ones for many on a share of the tokens, batching ones for lists. Same mask and share, same score. Not thread-safe.
/// </summary>
public interface IMaskScorer
{
    UnitMap Units { get; }

    /// <summary>How many masks are worth asking for at once: 1 where they are scored one after the other, all where several machines score.</summary>
    int Width => 1;

    /// <summary>Announces the mask that the next ones extend. It may make them cheaper; it never changes a score.</summary>
    void Rebase(CutMask mask, CancellationToken cancellationToken);

    /// <summary>Mean distance a token from the full model, one for each mask, in their order. Not a number where the model's output is not.</summary>
    /// <param name="share">Share of the calibration tokens, in (0, 1]; at least one batch is used.</param>
    /// <exception cref="OperationCanceledException">Cancelled; at most one evaluation late.</exception>
    IReadOnlyList<double> Score(IReadOnlyList<CutMask> masks, double share, CancellationToken cancellationToken);
}
