namespace FinerCut.Gateway.Rollout.Trials;

/// <summary>
/// What is known of the mean of values in [0, 1] (a failure rate, a share of slow answers, an agreement), good at any time: with confidence
/// 1 − α the mean lies within <see cref="Bounds"/> at every number of values at once, so that one may look after each request and stop when one
/// likes. Immutable.
/// <para>
/// The mixture martingale behind it: for s the sum of n values and f = n − s, and a Beta(½, ½) mixture over alternatives q,
/// M(p) = ∫ (q/p)^s ((1−q)/(1−p))^f dBeta(q; ½, ½) = B(½+s, ½+f) / B(½, ½) · p^−s (1−p)^−f.
/// If p is the mean, M(p) is a non-negative supermartingale that starts at 1: for values of 0 and 1 each factor has expectation 1, and for values
/// between, the factor is convex in the value, so its expectation is at most that. Ville's inequality: it ever reaches 1/α with probability at
/// most α. The p with M(p) &lt; 1/α are therefore a confidence sequence; M is quasi-convex in p with its minimum at s/n, so they are an interval.
/// </para>
/// <para>
/// Source: H. Robbins, "Statistical methods related to the law of the iterated logarithm", Ann. Math. Statist. 41 (1970); as a mixture
/// sequential probability ratio test for experiments: R. Johari, P. Koomen, L. Pekelis, D. Walsh, "Always valid inference", Oper. Res. 70 (2022);
/// for values between 0 and 1: S. Howard, A. Ramdas, J. McAuliffe, J. Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences",
/// Ann. Statist. 49 (2021), sub-Bernoulli case.
/// </para>
/// </summary>
/// <param name="Count">Of values.</param>
/// <param name="Sum">Of values, 0 to <paramref name="Count"/>.</param>
public readonly record struct BoundedMean(long Count, double Sum)
{
    public double Mean => Count == 0 ? 0 : Sum / Count;

    /// <param name="value">0 to 1.</param>
    public BoundedMean Add(double value)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(value is >= 0 and <= 1, true, nameof(value));
        return new BoundedMean(Count + 1, Sum + value);
    }

    /// <param name="alpha">Chance, over the whole life, that the mean is ever outside; above 0, below 1.</param>
    public (double Low, double High) Bounds(double alpha)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(alpha is > 0 and < 1, true, nameof(alpha));
        if (Count == 0) return (0, 1);
        var (s, f) = (Sum, Count - Sum);
        var limit = Math.Log(1 / alpha) - LogBeta(0.5 + s, 0.5 + f) + LogBeta(0.5, 0.5);
        return (Mean <= 0 ? 0 : Edge(0, Mean), Mean >= 1 ? 1 : Edge(1, Mean));

        // Outside lies beyond the limit, inside is the mean, which never does.
        double Edge(double outside, double inside)
        {
            for (var i = 0; i < 60; i++)
            {
                var middle = (outside + inside) / 2;
                var score = -Part(s, middle) - Part(f, 1 - middle);
                if (score < limit) inside = middle;
                else outside = middle;
            }

            return outside;
        }

        static double Part(double weight, double p) => weight == 0 ? 0 : weight * Math.Log(p);
    }

    private static double LogBeta(double a, double b) => LogGamma(a) + LogGamma(b) - LogGamma(a + b);

    /// <summary>Stirling's series after shifting the argument to 10 or more; relative error below 1e-12 for positive arguments.</summary>
    private static double LogGamma(double x)
    {
        double shift = 0;
        for (; x < 10; x++) shift -= Math.Log(x);
        var inverse = 1 / (x * x);
        return shift + ((x - 0.5) * Math.Log(x)) - x + (0.5 * Math.Log(2 * Math.PI))
            + (((((inverse / 1188) - (1.0 / 1680)) * inverse + (1.0 / 1260)) * inverse - (1.0 / 360)) * inverse + (1.0 / 12)) / x;
    }
}
