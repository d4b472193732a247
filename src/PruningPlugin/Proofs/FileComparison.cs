using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Masks;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Proofs;

/// <summary>What a lean file computes against the masked full model.</summary>
/// <param name="MaxDifference">Largest difference of a logit; null where the full model's graph takes no masks.</param>
/// <param name="ToFull">Largest difference of a logit between the file and the full model as it is.</param>
/// <param name="Spread">Largest less smallest logit of the full model.</param>
/// <param name="Reason">Why there is no difference to the masked model.</param>
public sealed record ComparisonFigures(double? MaxDifference, double ToFull, double Spread, string? Reason);

/// <summary>Compares a lean file on a few built-in tokens: for files that are made by hand, where there is no traffic. One thread.</summary>
public static class FileComparison
{
    private const int Tokens = 64;

    /// <summary>Loads both files as a server would.</summary>
    /// <exception cref="LlamaException">One of them does not load or decode.</exception>
    public static ComparisonFigures Run(ILlamaRuntime runtime, string full, string lean, CutMask mask, int threads, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(runtime);
        ArgumentNullException.ThrowIfNull(mask);
        var (leanRows, vocabulary) = Rows(runtime, lean, threads, cancellationToken);
        var batch = Batches(vocabulary);
        using var model = runtime.Load(new ModelOptions { Path = full }, null, cancellationToken);
        var fullRows = Plain(model, batch, threads, cancellationToken);
        var spread = fullRows.Max(row => (double)row.Max() - row.Min());
        var toFull = MaxDifference(fullRows, leanRows);
        try
        {
            using var masked = new MaskedModel(model, mask.Units.Shape, batch.Capacity, threads);
            masked.Decode(batch.Batches[0], mask, cancellationToken);
            return new ComparisonFigures(MaxDifference(Copy(masked.Decoder), leanRows), toFull, spread, null);
        }
        catch (UnsupportedGraphException unsupported)
        {
            return new ComparisonFigures(null, toFull, spread, unsupported.Message);
        }
    }

    private static (float[][] Rows, int Vocabulary) Rows(ILlamaRuntime runtime, string path, int threads, CancellationToken cancellationToken)
    {
        using var model = runtime.Load(new ModelOptions { Path = path }, null, cancellationToken);
        return (Plain(model, Batches(model.Info.VocabularySize), threads, cancellationToken), model.Info.VocabularySize);
    }

    private static float[][] Plain(ILlamaModel model, TokenBatches batch, int threads, CancellationToken cancellationToken)
    {
        using var decoder = new TokenDecoder(model, batch.Capacity, threads, null);
        decoder.Decode(batch.Batches[0], cancellationToken);
        return Copy(decoder);
    }

    private static float[][] Copy(TokenDecoder decoder) => [.. Enumerable.Range(0, Tokens).Select(row => decoder.Logits(row).ToArray())];

    /// <summary>Tokens spread over the vocabulary: a prime's multiples.</summary>
    private static TokenBatches Batches(int vocabulary)
    {
        ImmutableArray<int> tokens = [.. Enumerable.Range(1, Tokens).Select(place => (int)(place * 7919L % vocabulary))];
        return TokenBatches.Pack(new CalibrationSet("built-in", [new TokenSequence("built-in", tokens, 0)]), Tokens);
    }

    private static double MaxDifference(float[][] left, float[][] right)
    {
        var max = 0.0;
        for (var row = 0; row < left.Length; row++)
        {
            for (var at = 0; at < left[row].Length; at++)
            {
                var difference = Math.Abs((double)left[row][at] - right[row][at]);
                if (!(difference <= max)) max = difference;
            }
        }

        return max;
    }
}
