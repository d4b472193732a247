using FinerCut.Jobs;

namespace FinerCut.Pruning.Distances;

/// <summary>
/// Of each position the full model's most likely tokens with their log-probabilities; all others are one outcome, whose probability is the rest.
/// Divergences over these outcomes are never more than over all tokens (data processing inequality), and the difference is what two tails
/// of the same mass differ by within (docs/pruning.md has figures). 8 bytes a token kept: 100,000 positions with 256 take 205 MB whatever the vocabulary.
/// </summary>
public sealed class TopKReference : IReferenceRows
{
    /// <summary>No outcome is taken for less likely: below it single precision says nothing of a sum of probabilities.</summary>
    private const double Least = 1e-12;

    private readonly DistanceKind _distance;
    private readonly int _vocabulary;
    private readonly int _kept;
    private readonly int[] _tokens;
    private readonly float[] _logs;
    private readonly double[] _rest;

    /// <param name="distance">A divergence; top_k_kullback_leibler and kullback_leibler are the same here.</param>
    /// <param name="topK">Tokens kept of each row, fewer where the vocabulary has fewer.</param>
    public TopKReference(DistanceKind distance, int rows, int vocabulary, int topK)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabulary);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(topK);
        if (distance is DistanceKind.Angular or DistanceKind.Norm) throw new ArgumentOutOfRangeException(nameof(distance), distance, "Needs whole rows.");
        (_distance, _vocabulary, _kept) = (distance, vocabulary, Math.Min(topK, vocabulary));
        _tokens = new int[checked((long)rows * _kept)];
        _logs = new float[_tokens.LongLength];
        _rest = new double[rows];
    }

    public long Bytes => (_tokens.LongLength * (sizeof(int) + sizeof(float))) + (_rest.LongLength * sizeof(double));

    public void Set(int row, ReadOnlySpan<float> logits, float[] scratch)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(logits.Length, _vocabulary);
        var sum = LogitDistance.LogSumExp(logits);
        Span<int> tokens = _tokens.AsSpan(row * _kept, _kept);
        Span<float> logs = _logs.AsSpan(row * _kept, _kept);
        Largest(logits, tokens);
        var rest = 1.0;
        for (var at = 0; at < tokens.Length; at++)
        {
            logs[at] = (float)(logits[tokens[at]] - sum);
            rest -= Math.Exp(logs[at]);
        }

        _rest[row] = _kept == _vocabulary ? 0 : Math.Max(rest, Least);
    }

    public double DistanceOf(int row, ReadOnlySpan<float> lean, float[] scratch)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(lean.Length, _vocabulary);
        var sum = LogitDistance.LogSumExp(lean);
        if (double.IsNaN(sum)) return double.NaN;
        Span<int> tokens = _tokens.AsSpan(row * _kept, _kept);
        Span<float> logs = _logs.AsSpan(row * _kept, _kept);
        var (distance, rest) = (0.0, 1.0);
        for (var at = 0; at < tokens.Length; at++)
        {
            var logQ = lean[tokens[at]] - sum;
            rest -= Math.Exp(logQ);
            distance += Term(logs[at], logQ);
        }

        if (_rest[row] > 0) distance += Term(Math.Log(_rest[row]), Math.Log(Math.Max(rest, Least)));
        return double.IsNaN(distance) ? double.NaN : Math.Max(distance, 0);
    }

    /// <summary>One outcome's share of the divergence.</summary>
    private double Term(double logP, double logQ)
    {
        var (p, q) = (Math.Exp(logP), Math.Exp(logQ));
        switch (_distance)
        {
            case DistanceKind.KullbackLeibler or DistanceKind.TopKKullbackLeibler:
                return p * (logP - logQ);
            default:
                var m = 0.5 * (p + q);
                var logM = Math.Log(Math.Max(m, double.Epsilon));
                return _distance == DistanceKind.JensenShannon ? 0.5 * ((p * (logP - logM)) + (q * (logQ - logM))) : m * (logM - (0.5 * (logP + logQ)));
        }
    }

    /// <summary>Indices of the largest values; of equal ones the earlier. In no order.</summary>
    private static void Largest(ReadOnlySpan<float> values, Span<int> indices)
    {
        var queue = new PriorityQueue<int, (float Value, int Later)>(indices.Length + 1);
        var least = float.NegativeInfinity;
        for (var at = 0; at < values.Length; at++)
        {
            if (queue.Count == indices.Length && !(values[at] > least)) continue;
            queue.Enqueue(at, (values[at], -at));
            if (queue.Count > indices.Length) queue.Dequeue();
            if (queue.Count == indices.Length) least = values[queue.Peek()];
        }

        for (var at = 0; at < indices.Length; at++) indices[at] = queue.Dequeue();
    }
}
