using FinerCut.Jobs;
using FinerCut.Pruning.Distances;

namespace FinerCut.Pruning.Scoring;

/// <summary>Which rows of a set's decodes count, and their places among those that do. Immutable.</summary>
internal sealed class ScoredRows
{
    private readonly int[] _places;
    private readonly int[] _inBatch;

    private ScoredRows(int[] places, int[] inBatch) => (_places, _inBatch, Count) = (places, inBatch, inBatch.Sum());

    public int Count { get; }

    /// <summary>Place of a row among those that count; -1 where it does not.</summary>
    public int At(int row) => _places[row];

    public int CountOf(int batch) => _inBatch[batch];

    /// <summary>Keeps what the full model has just computed of those that count.</summary>
    /// <param name="first">The decode's first row.</param>
    public void KeepReference(IReferenceRows reference, TokenDecoder decoder, int first, int threads) => decoder.ForEachRow(threads, (row, logits, scratch) =>
    {
        if (At(first + row) is >= 0 and var place) reference.Set(place, logits, scratch);
    });

    /// <summary>Sum of the distances of what a mask has just computed, in one order whatever the threads did: same mask, same sum to the last bit.</summary>
    /// <param name="first">The decode's first row.</param>
    public double SumOfDistances(IReferenceRows reference, TokenDecoder decoder, int first, int tokens, int threads)
    {
        var distances = new double[tokens];
        decoder.ForEachRow(threads, (row, logits, scratch) =>
        {
            if (At(first + row) is >= 0 and var place) distances[row] = reference.DistanceOf(place, logits, scratch);
        });
        return distances.Sum();
    }

    public static ScoredRows Of(TokenBatches batches, DistanceTokens tokens)
    {
        var places = new int[batches.Rows];
        Array.Fill(places, -1);
        var inBatch = new int[batches.Batches.Length];
        var next = 0;
        for (var batch = 0; batch < batches.Batches.Length; batch++)
        {
            var before = next;
            foreach (var (sequence, _, firstRow) in batches.Batches[batch].Sequences)
            {
                // The row before a token is the one that predicts it.
                var (from, to) = tokens == DistanceTokens.All ? (0, sequence.Tokens.Length) : (Math.Max(sequence.AnswerStart, 1) - 1, sequence.Tokens.Length - 1);
                for (var at = from; at < to; at++) places[firstRow + at] = next++;
            }

            inBatch[batch] = next - before;
        }

        return new ScoredRows(places, inBatch);
    }
}
