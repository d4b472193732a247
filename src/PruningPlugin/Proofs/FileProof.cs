using System.Collections.Immutable;
using System.Numerics.Tensors;
using FinerCut.Calibration;
using FinerCut.Masks;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;
using FinerCut.Jobs;

namespace FinerCut.Pruning.Proofs;

/// <summary>What a written lean file was found to be on held-out traffic.</summary>
/// <param name="Conversations">Full model against the file, in the set's order.</param>
/// <param name="MaxDifference">Largest difference of a logit between the masked full model and the file.</param>
/// <param name="FileKl">Mean KL of the file from the masked model, or of a healed one from the simulation that healing was fitted in; nats a token.</param>
public sealed record ProofFigures(ImmutableArray<ConversationFigures> Conversations, double MaxDifference, double FileKl)
{
    /// <summary>KL of the same mask not healed, each conversation's sum and positions, nats; empty where nothing was healed.</summary>
    public ImmutableArray<(double KlSum, int Positions)> Unhealed { get; init; } = [];
}

/// <summary>
/// Loads the file as any server would and runs it beside the full model and the masked full model, batch by batch, so that no more than one
/// batch of logits is held. One thread.
/// </summary>
internal static class FileProof
{
    /// <param name="full">The full model, loaded.</param>
    /// <param name="lean">The lean file, loaded the same way.</param>
    /// <param name="progress">Batches done.</param>
    public static ProofFigures Run(
        ILlamaModel full, ILlamaModel lean, CutMask mask, CalibrationSet heldOut, ScoringOptions options, Action<int, int> progress, CancellationToken cancellationToken) =>
        Run(full, lean, new HealedMask(mask, HealedModel.None, null), heldOut, options, progress, cancellationToken);

    /// <summary>The same of a healed file: it is compared with the masked model in which healing is simulated.</summary>
    internal static ProofFigures Run(
        ILlamaModel full, ILlamaModel lean, HealedMask expected, CalibrationSet heldOut, ScoringOptions options, Action<int, int> progress, CancellationToken cancellationToken)
    {
        var mask = expected.Mask;
        var batches = TokenBatches.Pack(heldOut, options.BatchTokens(full.Info));
        using var masked = new MaskedModel(full, mask.Units.Shape, batches.Capacity, options.Threads);
        using var decoder = new TokenDecoder(lean, batches.Capacity, options.Threads, null);
        var none = CutMask.None(mask.Units);
        var figures = new ConversationFigures[heldOut.Sequences.Length];
        Array.Fill(figures, new ConversationFigures(0, 0, 0, 0, 0));
        var maxDifference = 0.0;
        var reference = new float[batches.Capacity][];
        var simulation = expected.Healed.IsEmpty ? null : HealedSimulation.Begin(masked, expected, batches, options.Threads, cancellationToken);
        var fileKl = 0.0;
        var unhealed = new (double, int)[heldOut.Sequences.Length];
        for (var batch = 0; batch < batches.Batches.Length; batch++)
        {
            var sequences = batches.Batches[batch];
            masked.Decode(sequences, none, cancellationToken);
            masked.Decoder.ForEachRow(options.Threads, (row, logits, _) => Copy(logits, ref reference[row]));
            decoder.Decode(sequences, cancellationToken);
            var rows = new RowFigures[sequences.Tokens];
            var next = NextTokens(sequences);
            decoder.ForEachRow(options.Threads, (row, logits, _) => rows[row] = RowFigures.Of(reference[row], logits, next[row]));
            Add(figures, sequences, rows);

            var (differences, divergences) = (new double[sequences.Tokens], new double[sequences.Tokens]);
            masked.Decode(sequences, mask, cancellationToken);
            if (simulation is not null)
            {
                masked.Decoder.ForEachRow(options.Threads, (row, logits, _) =>
                    divergences[row] = LogitDistance.Between(DistanceKind.KullbackLeibler, reference[row], LogitDistance.LogSumExp(reference[row]), logits));
                CalibrationKl.Add(unhealed, sequences, divergences);
                simulation.DecodeLogits(batch, cancellationToken);
            }

            var ofFile = decoder.Rows();
            masked.Decoder.ForEachRow(options.Threads, (row, logits, _) =>
            {
                differences[row] = MaxDifference(logits, ofFile[row]);
                divergences[row] = differences[row] == 0 ? 0 : LogitDistance.Between(DistanceKind.KullbackLeibler, logits, LogitDistance.LogSumExp(logits), ofFile[row]);
            });
            foreach (var divergence in divergences) fileKl += divergence;
            foreach (var difference in differences) maxDifference = difference > maxDifference || double.IsNaN(difference) ? difference : maxDifference;
            progress(batch + 1, batches.Batches.Length);
        }

        var proof = new ProofFigures([.. figures], maxDifference, fileKl / batches.Rows);
        return simulation is null ? proof : proof with { Unhealed = [.. unhealed] };
    }

    private static void Copy(ReadOnlySpan<float> logits, ref float[] target)
    {
        target ??= new float[logits.Length];
        logits.CopyTo(target);
    }

    private static double MaxDifference(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        if (left.SequenceEqual(right)) return 0;
        var max = 0.0;
        for (var at = 0; at < left.Length; at++)
        {
            var difference = Math.Abs((double)left[at] - right[at]);
            if (!(difference <= max)) max = difference;
        }

        return max;
    }

    /// <summary>For each row the answer's token that follows it, -1 where none does.</summary>
    private static int[] NextTokens(PackedSequences sequences)
    {
        var next = new int[sequences.Tokens];
        Array.Fill(next, -1);
        foreach (var (sequence, _, start) in sequences.InDecode)
        {
            for (var position = Math.Max(sequence.AnswerStart, 1); position < sequence.Tokens.Length; position++) next[start + position - 1] = sequence.Tokens[position];
        }

        return next;
    }

    private static void Add(ConversationFigures[] figures, PackedSequences sequences, RowFigures[] rows)
    {
        foreach (var (sequence, index, start) in sequences.InDecode)
        {
            foreach (var row in rows.AsSpan(start, sequence.Tokens.Length))
            {
                var sum = figures[index];
                figures[index] = new ConversationFigures(
                    sum.Positions + 1,
                    sum.KlSum + row.Kl,
                    sum.Agreements + (row.Agrees ? 1 : 0),
                    sum.AnswerTokens + (row.NllIncrease is null ? 0 : 1),
                    sum.AnswerNllIncrease + (row.NllIncrease ?? 0));
            }
        }
    }

    private readonly record struct RowFigures(double Kl, bool Agrees, double? NllIncrease)
    {
        public static RowFigures Of(ReadOnlySpan<float> full, ReadOnlySpan<float> lean, int next)
        {
            var (fullSum, leanSum) = (LogitDistance.LogSumExp(full), LogitDistance.LogSumExp(lean));
            return new RowFigures(
                LogitDistance.Between(DistanceKind.KullbackLeibler, full, fullSum, lean),
                TensorPrimitives.IndexOfMax(full) == TensorPrimitives.IndexOfMax(lean),
                next < 0 ? null : leanSum - lean[next] - (fullSum - full[next]));
        }
    }
}
