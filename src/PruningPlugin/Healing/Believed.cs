namespace FinerCut.Pruning.Healing;

/// <summary>
/// How much of each direction's prediction to believe: the factors, of both parts together where the output has two, with which predictions of unseen tokens come nearest to what was
/// there, in squares. Mutable while it is summed; one owner.
/// </summary>
/// <param name="directions">Of all parts, part after part.</param>
/// <param name="parts">1 or 2.</param>
internal sealed class Believed(int directions, int parts)
{
    /// <summary>Σ w·p·y with y the whole output along the direction, Σ w·p², and Σ w·p·p′ with the other part's prediction.</summary>
    private readonly (double Crossed, double Squared, double Between)[] _sums = new (double, double, double)[directions];

    /// <param name="predicted">[tokens × directions].</param>
    /// <param name="wanted">[tokens × directions].</param>
    public void Add(float[] predicted, float[] wanted, float[] weights)
    {
        var width = directions / parts;
        for (var token = 0; token < weights.Length; token++)
        {
            double weight = weights[token];
            for (var at = 0; at < directions; at++)
            {
                var place = (token * directions) + at;
                var other = parts == 1 ? place : at < width ? place + width : place - width;
                double p = predicted[place];
                ref var sums = ref _sums[at];
                sums.Crossed += weight * p * (parts == 1 ? wanted[place] : (double)wanted[place] + wanted[other]);
                sums.Squared += weight * p * p;
                if (parts == 2) sums.Between += weight * p * predicted[other];
            }
        }
    }

    /// <summary>Shares, 0 to 1, and the squares that they take away; of two parts the first has both's.</summary>
    public (double[] Shares, double[] Gains) Shares()
    {
        var (shares, gains) = (new double[directions], new double[directions]);
        var width = directions / parts;
        for (var at = 0; at < width; at++)
        {
            var one = _sums[at];
            if (parts == 1)
            {
                shares[at] = Alone(one.Crossed, one.Squared);
                gains[at] = Gain(shares[at], one.Crossed, one.Squared);
                continue;
            }

            var two = _sums[at + width];
            var determinant = (one.Squared * two.Squared) - (one.Between * one.Between);
            var (first, second) = determinant > 1e-9 * one.Squared * two.Squared
                ? (((one.Crossed * two.Squared) - (two.Crossed * one.Between)) / determinant, ((two.Crossed * one.Squared) - (one.Crossed * one.Between)) / determinant)
                : (Alone(one.Crossed, one.Squared), 0);

            // Where one is out of bounds, the other is the best beside that bound.
            if (second is < 0 or > 1)
            {
                second = Math.Clamp(second, 0, 1);
                first = Alone(one.Crossed - (second * one.Between), one.Squared);
            }
            else if (first is < 0 or > 1)
            {
                first = Math.Clamp(first, 0, 1);
                second = Alone(two.Crossed - (first * one.Between), two.Squared);
            }

            (shares[at], shares[at + width]) = (first, second);
            gains[at] = Gain(first, one.Crossed, one.Squared) + Gain(second, two.Crossed, two.Squared) - (2 * first * second * one.Between);
        }

        return (shares, gains);
    }

    private static double Alone(double crossed, double squared) => squared > 0 ? Math.Clamp(crossed / squared, 0, 1) : 0;

    private static double Gain(double share, double crossed, double squared) => (2 * share * crossed) - (share * share * squared);
}
