using FinerCut.Jobs;

namespace FinerCut.Pruning.Gates;

/// <summary>Percentile bootstrap of a mean over tokens, resampling whole conversations (tokens of one conversation are not independent). Pure.</summary>
public static class Bootstrap
{
    public const int Resamples = 2000;

    /// <param name="clusters">Sum and number of values of each conversation.</param>
    /// <param name="confidence">Two-sided level, in (0, 1).</param>
    /// <param name="seed">Same seed, same interval.</param>
    /// <returns>NaN everywhere where there is no value.</returns>
    public static Estimate Mean(IReadOnlyList<(double Sum, int Count)> clusters, double confidence, int seed)
    {
        ArgumentNullException.ThrowIfNull(clusters);
        if (confidence is not (> 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(confidence), confidence, "Expected a level between 0 and 1.");
        var used = clusters.Where(cluster => cluster.Count > 0).ToArray();
        if (used.Length == 0) return new Estimate(double.NaN, double.NaN, double.NaN);
        var mean = used.Sum(cluster => cluster.Sum) / used.Sum(cluster => cluster.Count);
        var random = new Random(seed);
        var means = new double[Resamples];
        for (var resample = 0; resample < Resamples; resample++)
        {
            double sum = 0;
            long count = 0;
            for (var draw = 0; draw < used.Length; draw++)
            {
                var cluster = used[random.Next(used.Length)];
                sum += cluster.Sum;
                count += cluster.Count;
            }

            means[resample] = sum / count;
        }

        Array.Sort(means);
        return new Estimate(mean, Quantile(means, (1 - confidence) / 2), Quantile(means, (1 + confidence) / 2));
    }

    private static double Quantile(double[] sorted, double level)
    {
        var place = level * (sorted.Length - 1);
        var below = (int)place;
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((place - below) * (sorted[above] - sorted[below]));
    }
}
