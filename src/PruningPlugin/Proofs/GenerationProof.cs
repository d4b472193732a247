using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Texts;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Proofs;

/// <summary>
/// What next-token figures on traffic do not show: text unlike the traffic, and what becomes of an answer when each token follows from the last. One thread.
/// </summary>
internal static class GenerationProof
{
    /// <summary>Texts in general that the full model writes for the gate, and the tokens of each.</summary>
    private const int Texts = 16;

    private const int TextTokens = 32;

    /// <summary>Held-out prompts that both models go on with, and for how many tokens.</summary>
    private const int Prompts = 16;

    public const int ContinuationTokens = 24;

    /// <param name="seed">Of the texts; not that of the texts healing was fitted on.</param>
    public static GenerationFigures Run(ILlamaModel full, ILlamaModel lean, CalibrationSet heldOut, int seed, int threads, CancellationToken cancellationToken)
    {
        var texts = new CalibrationSet("general", GeneratedText.Make(full, Texts * TextTokens, TextTokens, seed, threads, _ => { }, cancellationToken));
        return new GenerationFigures(NllIncreases(full, lean, texts, threads, cancellationToken), CommonPrefixes(full, lean, heldOut, threads, cancellationToken));
    }

    /// <summary>For each text the sum of the lean model's negative log-likelihoods less the full model's, and its tokens.</summary>
    private static ImmutableArray<(double Sum, int Tokens)> NllIncreases(ILlamaModel full, ILlamaModel lean, CalibrationSet texts, int threads, CancellationToken cancellationToken)
    {
        var (fullNll, leanNll) = (Nll(full, texts, threads, cancellationToken), Nll(lean, texts, threads, cancellationToken));
        return [.. texts.Sequences.Select((text, index) => (leanNll[index] - fullNll[index], text.Tokens.Length - 1))];
    }

    private static double[] Nll(ILlamaModel model, CalibrationSet texts, int threads, CancellationToken cancellationToken)
    {
        var batches = TokenBatches.Pack(texts, new ScoringOptions(threads).BatchTokens(model.Info));
        using var decoder = new TokenDecoder(model, batches.Capacity, threads, null);
        var sums = new double[texts.Sequences.Length];
        foreach (var batch in batches.Batches)
        {
            decoder.Decode(batch, cancellationToken);
            foreach (var (text, index, start) in batch.InDecode)
            {
                for (var position = 1; position < text.Tokens.Length; position++)
                {
                    var logits = decoder.Logits(start + position - 1);
                    sums[index] += LogitDistance.LogSumExp(logits) - logits[text.Tokens[position]];
                }
            }
        }

        return sums;
    }

    /// <summary>Of evenly spaced held-out prompts how many tokens of the most likely continuation both models have in common.</summary>
    private static ImmutableArray<int> CommonPrefixes(ILlamaModel full, ILlamaModel lean, CalibrationSet heldOut, int threads, CancellationToken cancellationToken)
    {
        var asked = heldOut.Sequences.Where(sequence => sequence.AnswerStart > 0 && sequence.AnswerStart < sequence.Tokens.Length).ToArray();
        var chosen = Enumerable.Range(0, Math.Min(Prompts, asked.Length)).Select(number => asked[number * asked.Length / Math.Min(Prompts, asked.Length)]).ToArray();
        if (chosen.Length == 0) return [];
        var (byFull, byLean) = (Continued(full), Continued(lean));
        return [.. byFull.Zip(byLean, (left, right) => left.TakeWhile((token, at) => at < right.Count && right[at] == token).Count())];

        List<int>[] Continued(ILlamaModel model)
        {
            List<int>[] texts = [.. chosen.Select(sequence => sequence.Tokens[..sequence.AnswerStart].ToList())];
            TextContinuation.Run(model, texts, _ => ContinuationTokens, _ => new SamplerOptions { Temperature = 0 }, threads, cancellationToken);
            return [.. texts.Select((text, index) => text[chosen[index].AnswerStart..])];
        }
    }
}
