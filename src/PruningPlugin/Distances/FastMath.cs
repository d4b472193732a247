using System.Numerics;

namespace FinerCut.Pruning.Distances;

/// <summary>
/// Exponential and logarithm in single precision, vectorised to the machine's width. System.Numerics.Tensors widens exp to double, which
/// halves its speed in the loop that runs for every vocabulary entry of every token of every candidate; these stay within 2 ulp and are
/// tested against Math over their whole range. Polynomials: Cephes expf and logf.
/// </summary>
internal static class FastMath
{
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;

    /// <summary>e^x; 0 below -87.3 (no subnormals), x above 88 is taken as 88. NaN stays NaN.</summary>
    public static Vector<float> Exp(Vector<float> x)
    {
        var lowest = new Vector<float>(-87.3f);
        var clamped = Vector.ConditionalSelect(Vector.GreaterThan(x, new Vector<float>(88f)), new Vector<float>(88f), x);
        var n = Vector.Floor((clamped * new Vector<float>(1.44269504088896341f)) + new Vector<float>(0.5f));
        var r = clamped - (n * new Vector<float>(Ln2High)) - (n * new Vector<float>(Ln2Low));
        var y = new Vector<float>(1.9875691500e-4f);
        y = (y * r) + new Vector<float>(1.3981999507e-3f);
        y = (y * r) + new Vector<float>(8.3334519073e-3f);
        y = (y * r) + new Vector<float>(4.1665795894e-2f);
        y = (y * r) + new Vector<float>(1.6666665459e-1f);
        y = (y * r) + new Vector<float>(5.0000001201e-1f);
        y = (y * r * r) + r + Vector<float>.One;
        var power = Vector.ShiftLeft(Vector.ConvertToInt32(n) + new Vector<int>(127), 23);
        return Vector.ConditionalSelect(Vector.LessThan(x, lowest), Vector<float>.Zero, y * Vector.AsVectorSingle(power));
    }

    /// <summary>ln x for x ≥ 0; below the smallest normal number it answers that number's logarithm, so that 0 · ln 0 is 0.</summary>
    public static Vector<float> LogOfPositive(Vector<float> x)
    {
        x = Vector.ConditionalSelect(Vector.LessThan(x, new Vector<float>(1.17549435e-38f)), new Vector<float>(1.17549435e-38f), x);
        var bits = Vector.AsVectorInt32(x);
        var exponent = Vector.ConvertToSingle(Vector.ShiftRightLogical(bits, 23) - new Vector<int>(126));
        var mantissa = Vector.AsVectorSingle((bits & new Vector<int>(0x007fffff)) | new Vector<int>(0x3f000000));
        var low = Vector.LessThan(mantissa, new Vector<float>(0.707106781186547524f));
        exponent = Vector.ConditionalSelect(low, exponent - Vector<float>.One, exponent);
        var m = Vector.ConditionalSelect(low, mantissa + mantissa, mantissa) - Vector<float>.One;
        var z = m * m;
        var y = new Vector<float>(7.0376836292e-2f);
        y = (y * m) + new Vector<float>(-1.1514610310e-1f);
        y = (y * m) + new Vector<float>(1.1676998740e-1f);
        y = (y * m) + new Vector<float>(-1.2420140846e-1f);
        y = (y * m) + new Vector<float>(1.4249322787e-1f);
        y = (y * m) + new Vector<float>(-1.6668057665e-1f);
        y = (y * m) + new Vector<float>(2.0000714765e-1f);
        y = (y * m) + new Vector<float>(-2.4999993993e-1f);
        y = (y * m) + new Vector<float>(3.3333331174e-1f);
        y = (y * m * z) + (exponent * new Vector<float>(Ln2Low)) - (new Vector<float>(0.5f) * z);
        return m + y + (exponent * new Vector<float>(Ln2High));
    }
}
