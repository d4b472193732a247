using System.Numerics;
using System.Numerics.Tensors;
using FinerCut.Jobs;

namespace FinerCut.Pruning.Distances;

/// <summary>
/// Distances between two rows of next-token logits. Pure and thread-safe. The rows are the model's raw outputs; divergences are in nats.
/// One pass for the log-sum-exp of each row, one fused pass for the distance; sums are kept in double a tile, so that the error does not
/// grow with the vocabulary.
/// </summary>
public static class LogitDistance
{
    /// <summary>Elements whose sums are kept in single precision: few enough for 1e-7 relative, enough to amortise the widening.</summary>
    private const int Tile = 2048;

    /// <summary>ln of the sum of exponentials, by the shifted form; exact for rows of any scale.</summary>
    /// <returns>NaN where the row holds NaN, or no finite value.</returns>
    public static double LogSumExp(ReadOnlySpan<float> logits)
    {
        var max = TensorPrimitives.Max(logits);
        if (!float.IsFinite(max)) return double.NaN;
        var shift = new Vector<float>(max);
        var sum = 0.0;
        for (var start = 0; start < logits.Length; start += Tile)
        {
            var tile = logits.Slice(start, Math.Min(Tile, logits.Length - start));
            var total = Vector<float>.Zero;
            var at = 0;
            for (; at <= tile.Length - Vector<float>.Count; at += Vector<float>.Count) total += FastMath.Exp(new Vector<float>(tile[at..]) - shift);
            sum += Vector.Sum(total);
            for (; at < tile.Length; at++) sum += MathF.Exp(tile[at] - max);
        }

        return max + Math.Log(sum);
    }

    /// <summary>Distance of <paramref name="lean"/> from <paramref name="full"/> by the job's measure.</summary>
    /// <param name="kind">The measure.</param>
    /// <param name="full">Reference logits [vocabulary].</param>
    /// <param name="fullLogSumExp"><see cref="LogSumExp"/> of <paramref name="full"/>; unused by angular and norm.</param>
    /// <param name="lean">The pruned model's logits [vocabulary].</param>
    public static double Between(DistanceKind kind, ReadOnlySpan<float> full, double fullLogSumExp, ReadOnlySpan<float> lean)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(lean.Length, full.Length);
        return kind switch
        {
            DistanceKind.JensenShannon => Divergence<JensenShannon>(full, fullLogSumExp, lean),
            DistanceKind.JensenShannonReversed => Divergence<JensenShannonReversed>(full, fullLogSumExp, lean),
            DistanceKind.KullbackLeibler or DistanceKind.TopKKullbackLeibler => Divergence<KullbackLeibler>(full, fullLogSumExp, lean),
            DistanceKind.Angular => Angle(full, lean),
            DistanceKind.Norm => Norm(full, lean),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "No such distance."),
        };
    }

    private static double Divergence<TTerm>(ReadOnlySpan<float> full, double fullLogSumExp, ReadOnlySpan<float> lean)
        where TTerm : struct, ITerm
    {
        var leanLogSumExp = LogSumExp(lean);
        var shiftP = (float)fullLogSumExp;
        var shiftQ = (float)leanLogSumExp;
        var sum = 0.0;
        for (var start = 0; start < full.Length; start += Tile)
        {
            var length = Math.Min(Tile, full.Length - start);
            var p = full.Slice(start, length);
            var q = lean.Slice(start, length);
            var total = Vector<float>.Zero;
            var at = 0;
            for (; at <= length - Vector<float>.Count; at += Vector<float>.Count)
            {
                total += TTerm.Of(new Vector<float>(p[at..]) - new Vector<float>(shiftP), new Vector<float>(q[at..]) - new Vector<float>(shiftQ));
            }

            sum += Vector.Sum(total);
            for (; at < length; at++) sum += TTerm.Of(new Vector<float>(p[at] - shiftP), new Vector<float>(q[at] - shiftQ))[0];
        }

        // Rounding can leave a distance of equals at -1e-9; a divergence is not negative.
        return double.IsNaN(sum) ? double.NaN : Math.Max(sum, 0);
    }

    /// <summary>By the half-angle of the unit vectors' difference and sum: the arc cosine itself loses half its digits where the angle is small.</summary>
    private static double Angle(ReadOnlySpan<float> full, ReadOnlySpan<float> lean)
    {
        var scaleP = new Vector<float>((float)(1 / Length(full)));
        var scaleQ = new Vector<float>((float)(1 / Length(lean)));
        double differences = 0, sums = 0;
        for (var start = 0; start < full.Length; start += Tile)
        {
            var p = full.Slice(start, Math.Min(Tile, full.Length - start));
            var q = lean.Slice(start, p.Length);
            Vector<float> difference = Vector<float>.Zero, sum = Vector<float>.Zero;
            var at = 0;
            for (; at <= p.Length - Vector<float>.Count; at += Vector<float>.Count)
            {
                var (u, v) = (new Vector<float>(p[at..]) * scaleP, new Vector<float>(q[at..]) * scaleQ);
                difference += (u - v) * (u - v);
                sum += (u + v) * (u + v);
            }

            differences += Vector.Sum(difference);
            sums += Vector.Sum(sum);
            for (; at < p.Length; at++)
            {
                double u = p[at] * scaleP[0], v = q[at] * scaleQ[0];
                differences += (u - v) * (u - v);
                sums += (u + v) * (u + v);
            }
        }

        return 2 * Math.Atan2(Math.Sqrt(differences), Math.Sqrt(sums));
    }

    private static double Length(ReadOnlySpan<float> row)
    {
        var squares = 0.0;
        for (var start = 0; start < row.Length; start += Tile) squares += TensorPrimitives.SumOfSquares(row.Slice(start, Math.Min(Tile, row.Length - start)));
        return Math.Sqrt(squares);
    }

    private static double Norm(ReadOnlySpan<float> full, ReadOnlySpan<float> lean)
    {
        var sum = 0.0;
        for (var start = 0; start < full.Length; start += Tile)
        {
            var p = full.Slice(start, Math.Min(Tile, full.Length - start));
            var distance = (double)TensorPrimitives.Distance(p, lean.Slice(start, p.Length));
            sum += distance * distance;
        }

        return Math.Sqrt(sum);
    }

    /// <summary>One vocabulary entry's share of a divergence, from the two log-probabilities.</summary>
    private interface ITerm
    {
        static abstract Vector<float> Of(Vector<float> logP, Vector<float> logQ);
    }

    private readonly struct KullbackLeibler : ITerm
    {
        public static Vector<float> Of(Vector<float> logP, Vector<float> logQ) => FastMath.Exp(logP) * (logP - logQ);
    }

    private readonly struct JensenShannon : ITerm
    {
        // Paired as p ln(p/m) + q ln(q/m): each difference is small where P and Q agree, so nothing cancels between large sums.
        public static Vector<float> Of(Vector<float> logP, Vector<float> logQ)
        {
            var p = FastMath.Exp(logP);
            var q = FastMath.Exp(logQ);
            var logM = FastMath.LogOfPositive(new Vector<float>(0.5f) * (p + q));
            return new Vector<float>(0.5f) * ((p * (logP - logM)) + (q * (logQ - logM)));
        }
    }

    private readonly struct JensenShannonReversed : ITerm
    {
        public static Vector<float> Of(Vector<float> logP, Vector<float> logQ)
        {
            var m = new Vector<float>(0.5f) * (FastMath.Exp(logP) + FastMath.Exp(logQ));
            return m * (FastMath.LogOfPositive(m) - (new Vector<float>(0.5f) * (logP + logQ)));
        }
    }
}
