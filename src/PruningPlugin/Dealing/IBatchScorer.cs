using FinerCut.Masks;

namespace FinerCut.Pruning.Dealing;

/// <summary>Scores masks on one batch of the calibration tokens: what a machine does for a search that runs elsewhere. One call at a time.</summary>
public interface IBatchScorer
{
    /// <summary>Whether it may be asked now: a machine that loads its model may be later.</summary>
    bool IsReady => true;

    /// <summary>Sums of distances over the batch's tokens, one for each mask, in their order. The same on every machine, to the last bit.</summary>
    /// <param name="announced">The mask that these extend.</param>
    /// <exception cref="BatchScorerException">This machine cannot score now.</exception>
    Task<IReadOnlyList<double>> SumsAsync(CutMask announced, IReadOnlyList<CutMask> masks, int batch, CancellationToken cancellationToken);
}

/// <summary>A machine did not score; others may.</summary>
public sealed class BatchScorerException(string message, Exception? cause = null) : Exception(message, cause);
