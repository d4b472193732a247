using System.Collections.Immutable;

namespace FinerCut.Pruning.Jobs;

/// <summary>
/// Which point of a search's path is the leanest that passes the gate, and how it is proved without fooling oneself. Held-out conversations are
/// dealt into two halves. Points are tried on the choosing half until the leanest that passes there is found; it was selected, so what was found
/// on that half says too much good of it. The verdict comes from the proving half, which nothing was selected on. Where the choice fails
/// there, clearly less lean points are tried, a stated number all told, each at a level of confidence that makes the chance of accepting any wrongly no
/// larger than a single try's (Bonferroni). Pure.
/// </summary>
public static class LeanestPoint
{
    /// <summary>Points that may be tried on the proving half.</summary>
    public const int Tries = 3;

    /// <summary>What a later try removes at most, of what the one before it did.</summary>
    public const double StepBack = 0.8;

    /// <summary>Two points this near are one: bisecting ends.</summary>
    private const double Near = 0.05;

    /// <summary>Level of each try that together keep the level asked for.</summary>
    public static double ConfidenceOfTry(double confidence) => 1 - ((1 - confidence) / Tries);

    /// <summary>The leanest point that passes, by bisection: right where no point passes that is leaner than one that fails, and a passing one in any case.</summary>
    /// <param name="removed">Bytes gone at each point, ascending.</param>
    /// <param name="passes">Asked of few points.</param>
    /// <returns>-1 where none was found.</returns>
    public static int Choose(IReadOnlyList<long> removed, Func<int, bool> passes)
    {
        ArgumentNullException.ThrowIfNull(removed);
        ArgumentNullException.ThrowIfNull(passes);
        var (passed, failed) = (-1, removed.Count);
        while (failed - passed > 1)
        {
            if (passed >= 0 && failed < removed.Count && removed[failed] - removed[passed] < Near * removed[failed]) break;
            var middle = (passed + failed) / 2;
            if (passes(middle)) passed = middle;
            else failed = middle;
        }

        return passed;
    }

    /// <summary>Points to be tried on the proving half, in that order: the chosen one, then less lean ones.</summary>
    public static IEnumerable<int> WalkBack(IReadOnlyList<long> removed, int chosen)
    {
        ArgumentNullException.ThrowIfNull(removed);
        for (var (tried, point) = (0, chosen); tried < Tries && point >= 0; tried++)
        {
            yield return point;
            var most = removed[point] * StepBack;
            while (point >= 0 && removed[point] > most) point--;
        }
    }

    /// <summary>Every other conversation chooses, the rest prove.</summary>
    public static (Calibration.CalibrationSet Choosing, Calibration.CalibrationSet Proving) Split(Calibration.CalibrationSet heldOut)
    {
        ArgumentNullException.ThrowIfNull(heldOut);
        ImmutableArray<Calibration.TokenSequence> Half(int rest) => [.. heldOut.Sequences.Where((_, index) => index % 2 == rest)];
        return (new Calibration.CalibrationSet("choosing half of the held-out", Half(0)), new Calibration.CalibrationSet("proving half of the held-out", Half(1)));
    }
}
