using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Proofs;

/// <summary>
/// How near a lean file is on the tokens that it was chosen and healed by. What it is farther on held-out traffic tells how much of the choice was made for these tokens. One thread.
/// </summary>
internal static class CalibrationKl
{
    /// <summary>Mean KL(full‖lean), nats a token, with a bootstrap interval over conversations. Holds one batch of logits.</summary>
    /// <param name="progress">Batches done.</param>
    public static Estimate Run(
        ILlamaModel full, ILlamaModel lean, CalibrationSet calibration, ScoringOptions options, double confidence, int seed, Action<int, int> progress, CancellationToken cancellationToken)
    {
        var batches = TokenBatches.Pack(calibration, options.BatchTokens(full.Info));
        using var ofFull = new TokenDecoder(full, batches.Capacity, options.Threads, null);
        using var ofLean = new TokenDecoder(lean, batches.Capacity, options.Threads, null);
        var sums = new (double Kl, int Tokens)[calibration.Sequences.Length];
        for (var batch = 0; batch < batches.Batches.Length; batch++)
        {
            var packed = batches.Batches[batch];
            ofFull.Decode(packed, cancellationToken);
            ofLean.Decode(packed, cancellationToken);
            var (rows, divergences) = (ofLean.Rows(), new double[packed.Tokens]);
            ofFull.ForEachRow(options.Threads, (row, logits, _) => divergences[row] = LogitDistance.Between(DistanceKind.KullbackLeibler, logits, LogitDistance.LogSumExp(logits), rows[row]));
            Add(sums, packed, divergences);
            progress(batch + 1, batches.Batches.Length);
        }

        return Bootstrap.Mean(sums, confidence, seed);
    }

    /// <summary>Adds a batch's rows to their conversations' sums.</summary>
    public static void Add((double Kl, int Tokens)[] sums, PackedSequences packed, double[] divergences)
    {
        foreach (var (sequence, index, start) in packed.InDecode)
        {
            foreach (var divergence in divergences.AsSpan(start, sequence.Tokens.Length)) sums[index] = (sums[index].Kl + divergence, sums[index].Tokens + 1);
        }
    }
}
