using System.Collections.Immutable;
using System.Numerics.Tensors;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Evaluations;

/// <summary>
/// Perplexity of a text as llama-perplexity counts it: chunks of one length, each from an empty memory and with the model's first token; the second half of each
/// chunk is scored, so that every scored token has at least half a chunk before it. A text shorter than a chunk is scored from its second token on.
/// </summary>
public static class TextEvaluation
{
    private const int Seed = 1;

    /// <summary>The text's chunks; the answer of each begins at the first token that is scored.</summary>
    /// <param name="context">Tokens of a chunk, at least 8.</param>
    /// <param name="most">Chunks at most.</param>
    public static CalibrationSet Chunks(IVocabulary vocabulary, string text, int context, int most)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        ArgumentOutOfRangeException.ThrowIfLessThan(context, 8);
        var tokens = vocabulary.Tokenize(text, addSpecial: true, parseSpecial: false);
        if (tokens.Length < context) return new CalibrationSet("text", tokens.Length < 2 ? [] : [new TokenSequence("0", [.. tokens], 1)]);

        // Where the model is taught a first token, every chunk begins with it, as the whole text does.
        var bos = vocabulary.Special.Bos;
        var begins = bos >= 0 && tokens[0] == bos;
        var chunks = ImmutableArray.CreateBuilder<TokenSequence>();
        for (var start = 0; start + context <= tokens.Length && chunks.Count < most; start += context)
        {
            int[] chunk = [.. tokens.AsSpan(start, context)];
            if (begins) chunk[0] = bos;
            chunks.Add(new TokenSequence($"{start / context}", [.. chunk], context / 2));
        }

        return new CalibrationSet("text", chunks.ToImmutable());
    }

    /// <param name="against">The model to compare with; null = none. Its vocabulary is the same.</param>
    /// <param name="progress">Chunks done.</param>
    public static TextFigures Run(ILlamaModel model, ILlamaModel? against, CalibrationSet chunks, int threads, Action<int, int> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(chunks);
        ArgumentNullException.ThrowIfNull(progress);
        var batches = TokenBatches.Pack(chunks, 1);
        using var decoder = new TokenDecoder(model, batches.Capacity, threads, null);
        using var other = against is null ? null : new TokenDecoder(against, batches.Capacity, threads, null);
        var figures = new List<ChunkFigures>();
        foreach (var batch in batches.Batches)
        {
            decoder.Decode(batch, cancellationToken);
            other?.Decode(batch, cancellationToken);
            figures.Add(Score(batch, decoder, other, threads));
            progress(figures.Count, batches.Batches.Length);
        }

        Estimate Mean(Func<ChunkFigures, double> sum) => Bootstrap.Mean([.. figures.Select(chunk => (sum(chunk), chunk.Tokens))], new GateThresholds().Confidence, Seed);
        return new TextFigures(
            figures.Count, figures.Sum(chunk => chunk.Tokens), Exp(Mean(chunk => chunk.Nll)),
            other is null ? null : Exp(Mean(chunk => chunk.AgainstNll)), other is null ? null : Mean(chunk => chunk.Kl), other is null ? null : Mean(chunk => chunk.Same));
    }

    private static ChunkFigures Score(PackedSequences batch, TokenDecoder decoder, TokenDecoder? other, int threads)
    {
        // One sequence a batch: chunks are as long as the capacity.
        var sequence = batch.Sequences[0].Sequence;
        var rows = new ChunkFigures[sequence.Tokens.Length];
        var otherRows = other?.Rows();
        decoder.ForEachRow(threads, (row, logits, _) =>
        {
            var next = row + 1;
            if (next < Math.Max(sequence.AnswerStart, 1) || next >= sequence.Tokens.Length) return;
            var token = sequence.Tokens[next];
            var nll = LogitDistance.LogSumExp(logits) - logits[token];
            if (otherRows is null)
            {
                rows[row] = new ChunkFigures(1, nll, 0, 0, 0);
                return;
            }

            var full = otherRows[row];
            var sum = LogitDistance.LogSumExp(full);
            rows[row] = new ChunkFigures(
                1, nll, sum - full[token], LogitDistance.Between(DistanceKind.KullbackLeibler, full, sum, logits), TensorPrimitives.IndexOfMax(full) == TensorPrimitives.IndexOfMax(logits) ? 1 : 0);
        });
        return rows.Aggregate((left, right) => new ChunkFigures(left.Tokens + right.Tokens, left.Nll + right.Nll, left.AgainstNll + right.AgainstNll, left.Kl + right.Kl, left.Same + right.Same));
    }

    private static Estimate Exp(Estimate nll) => new(Math.Exp(nll.Mean), Math.Exp(nll.Low), Math.Exp(nll.High));

    private readonly record struct ChunkFigures(int Tokens, double Nll, double AgainstNll, double Kl, double Same);
}
