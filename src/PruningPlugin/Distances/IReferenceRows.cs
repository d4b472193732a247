using FinerCut.Jobs;

namespace FinerCut.Pruning.Distances;

/// <summary>
/// What is kept of the full model's output at every scored position, and how far another output is from it. Written by one thread a row; reads are
/// thread-safe after the last write.
/// </summary>
public interface IReferenceRows
{
    /// <summary>Memory taken once all rows are set.</summary>
    long Bytes { get; }

    /// <param name="scratch">[vocabulary], the calling thread's own.</param>
    void Set(int row, ReadOnlySpan<float> logits, float[] scratch);

    /// <param name="lean">The pruned model's logits [vocabulary].</param>
    /// <param name="scratch">[vocabulary], the calling thread's own.</param>
    /// <returns>Not a number where the logits are none.</returns>
    double DistanceOf(int row, ReadOnlySpan<float> lean, float[] scratch);
}

/// <summary>Chooses the form in which references are kept. Pure.</summary>
public static class ReferenceRows
{
    /// <summary>
    /// Whole rows in single precision up to the budget, in half where only that fits; beyond it, and for the distance that asks for no more, the most likely
    /// tokens with the rest as one. Angles and norms need whole rows and get them.
    /// </summary>
    /// <param name="topK">Tokens kept of a row where it is not kept whole.</param>
    public static IReferenceRows For(DistanceKind distance, int rows, int vocabulary, long budgetBytes, int topK) =>
        IsCompact(distance, rows, vocabulary, budgetBytes) ? new TopKReference(distance, rows, vocabulary, topK) : new WholeReference(distance, new ReferenceLogits(rows, vocabulary, budgetBytes));

    public static bool IsCompact(DistanceKind distance, int rows, int vocabulary, long budgetBytes) => distance switch
    {
        DistanceKind.TopKKullbackLeibler => true,
        DistanceKind.Angular or DistanceKind.Norm => false,
        _ => 2L * rows * vocabulary > budgetBytes,
    };

    private sealed class WholeReference(DistanceKind distance, ReferenceLogits logits) : IReferenceRows
    {
        public long Bytes => logits.Bytes;

        public void Set(int row, ReadOnlySpan<float> values, float[] scratch) => logits.Set(row, values, scratch);

        public double DistanceOf(int row, ReadOnlySpan<float> lean, float[] scratch) => LogitDistance.Between(distance, logits.Row(row, scratch), logits.LogSumExp(row), lean);
    }
}
