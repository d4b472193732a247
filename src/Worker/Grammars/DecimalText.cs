using System.Globalization;
using System.Numerics;

namespace FinerCut.Worker.Grammars;

/// <summary>A decimal number by its digits, exactly as written in JSON: no rounding.</summary>
/// <param name="IsNegative">Never for zero.</param>
/// <param name="Whole">Digits before the point, "0" or without leading zeros.</param>
/// <param name="Fraction">Digits behind the point without trailing zeros; may be empty.</param>
internal readonly record struct DecimalText(bool IsNegative, string Whole, string Fraction) : IComparable<DecimalText>
{
    private const int MaxDigits = 40;

    public static DecimalText Zero { get; } = new(false, "0", "");

    public bool IsZero => Whole == "0" && Fraction.Length == 0;

    public bool IsWhole => Fraction.Length == 0;

    /// <summary>Its distance from zero.</summary>
    public DecimalText Size => this with { IsNegative = false };

    /// <summary>Reads JSON's spelling of a number; null where it has more than 40 digits written out.</summary>
    public static DecimalText? Read(string json)
    {
        var negative = json.StartsWith('-');
        var text = negative ? json[1..] : json;
        var mark = text.AsSpan().IndexOfAny('e', 'E');
        var exponent = 0;
        if (mark >= 0 && !int.TryParse(text.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent)) return null;
        if (mark >= 0) text = text[..mark];
        var point = text.IndexOf('.');
        var whole = point < 0 ? text : text[..point];
        var fraction = point < 0 ? "" : text[(point + 1)..];
        if (Math.Abs(exponent) > MaxDigits || whole.Length + fraction.Length + Math.Abs(exponent) > 2 * MaxDigits) return null;
        if (exponent > 0)
        {
            var moved = fraction.PadRight(exponent, '0');
            (whole, fraction) = (whole + moved[..exponent], moved[exponent..]);
        }
        else if (exponent < 0)
        {
            var moved = whole.PadLeft(-exponent + 1, '0');
            (whole, fraction) = (moved[..^-exponent], moved[^-exponent..] + fraction);
        }

        whole = whole.TrimStart('0');
        fraction = fraction.TrimEnd('0');
        if (whole.Length + fraction.Length > MaxDigits) return null;
        if (whole.Length == 0) whole = "0";
        return new DecimalText(negative && (whole != "0" || fraction.Length > 0), whole, fraction);
    }

    public int CompareTo(DecimalText other)
    {
        if (IsNegative != other.IsNegative) return IsNegative ? -1 : 1;
        var places = Math.Max(Fraction.Length, other.Fraction.Length);
        var size = Scaled(places).CompareTo(other.Scaled(places));
        return IsNegative ? -size : size;
    }

    /// <summary>Its digits as a whole number of 10^-places, without the sign.</summary>
    public BigInteger Scaled(int places) => BigInteger.Parse(Whole + Fraction.PadRight(places, '0'), CultureInfo.InvariantCulture);
}
