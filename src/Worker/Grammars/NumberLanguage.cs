namespace FinerCut.Worker.Grammars;

/// <summary>One end of a range.</summary>
internal readonly record struct Bound(DecimalText Value, bool IsExclusive);

/// <summary>What a number must be.</summary>
/// <param name="Multiples">Divisors that all must divide it.</param>
internal sealed record NumberRange(bool IsInteger, Bound? Least, Bound? Most, IReadOnlyList<DecimalText> Multiples)
{
    /// <summary>No bounds, and no divisors that being an integer does not cover.</summary>
    public bool IsFree => Least is null && Most is null && !Divisors.Any();

    public IEnumerable<DecimalText> Divisors => Multiples.Where(divisor => !IsInteger || divisor is not { Whole: "1", IsWhole: true });

    public bool Contains(DecimalText number)
    {
        if (IsInteger && !number.IsWhole) return false;
        if (Least is { } least && number.CompareTo(least.Value) is var low && (low < 0 || (low == 0 && least.IsExclusive))) return false;
        if (Most is { } most && number.CompareTo(most.Value) is var high && (high > 0 || (high == 0 && most.IsExclusive))) return false;
        foreach (var divisor in Multiples)
        {
            var places = Math.Max(number.Fraction.Length, divisor.Fraction.Length);
            if (!(number.Scaled(places) % divisor.Scaled(places)).IsZero) return false;
        }

        return true;
    }
}

/// <summary>
/// Numbers as texts: plain decimals without exponent, at most 15 significant digits where they are fractions, so that reading them as double
/// never rounds them across a bound. Minus zero is not written.
/// </summary>
internal sealed class NumberLanguage(LanguageSpace space, string path)
{
    private const int IntegerDigits = 18;
    private const int RealDigits = 15;
    private const int MaxDivisor = 2000;

    private readonly Language _digit = space.Chars(CharSet.Digits);
    private readonly Language _nonZero = space.Chars(CharSet.Of(('1', '9')));
    private readonly Language _point = space.Text(".");

    public Language Of(NumberRange range)
    {
        var longest = Math.Max(range.Least?.Value.Whole.Length ?? 1, range.Most?.Value.Whole.Length ?? 1);
        var wholeDigits = range.IsInteger ? Math.Max(IntegerDigits, longest + 1) : Math.Max(RealDigits - 1, longest);
        var whole = space.Either(space.Text("0"), space.Join(_nonZero, space.Repeat(_digit, 0, wholeDigits - 1)));
        var spelled = whole;
        if (!range.IsInteger)
        {
            if (longest >= RealDigits) throw new SchemaRefusedException(path, $"has a bound of {longest} digits before the point; numbers take at most {RealDigits - 1}.");
            var places = range.IsFree || longest == 1 ? RealDigits - 1 : RealDigits - longest;
            spelled = space.Join(whole, space.Repeat(space.Join(_point, space.Repeat(_digit, 1, places)), 0, 1));
            // Long whole parts have no room for a fraction.
            if (range.Most is null || range.Least is null) spelled = space.Both(spelled, space.Repeat(space.Chars(CharSet.Digits.Union(CharSet.Of('.'))), 1, RealDigits + 1));
        }

        var sizes = range.Divisors.Select(Multiple).Append(spelled).ToList();
        var positive = space.Both([.. sizes, From(range.Least, upwards: true), UpTo(range.Most, upwards: true)]);
        var negative = space.Both([.. sizes, NotZero(), From(range.Most, upwards: false), UpTo(range.Least, upwards: false)]);
        return space.Either(positive, space.Join(space.Text("-"), negative));
    }

    /// <summary>Unsigned texts for the numbers on one side of zero that the bound nearer to zero on that side lets through.</summary>
    private Language From(Bound? bound, bool upwards)
    {
        // Upwards: numbers x with x >= bound. Downwards: numbers -x with -x <= bound, that is x >= -bound.
        if (bound is not { } end || (end.Value.IsNegative == upwards && !end.Value.IsZero)) return space.All;
        if (end.Value.IsZero) return end.IsExclusive ? NotZero() : space.All;
        return AtLeast(end.Value.Size, end.IsExclusive);
    }

    /// <summary>The same for the bound that is farther from zero on that side, or lies on the other side of it.</summary>
    private Language UpTo(Bound? bound, bool upwards)
    {
        if (bound is not { } end) return space.All;
        if (end.Value.IsZero) return end.IsExclusive || !upwards ? space.None : Zero();
        return end.Value.IsNegative == upwards ? space.None : AtMost(end.Value.Size, end.IsExclusive);
    }

    private Language Zero() => space.Join(space.Text("0"), space.Repeat(space.Join(_point, Many(space.Text("0"))), 0, 1));

    private Language NotZero() => space.Join(space.All, _nonZero, space.All);

    private Language AtLeast(DecimalText least, bool exclusive)
    {
        var tail = space.Repeat(space.Join(_point, Many(_digit)), 0, 1);
        var digits = least.Whole;
        var ways = new List<Language> { space.Join(_nonZero, space.Repeat(_digit, digits.Length, null), tail) };
        for (var i = 0; i < digits.Length; i++)
            ways.Add(space.Join(space.Text(digits[..i]), Above(digits[i]), space.Repeat(_digit, digits.Length - i - 1, digits.Length - i - 1), tail));

        var equal = space.Text(digits);
        var fraction = least.Fraction;
        for (var i = 0; i < fraction.Length; i++)
            ways.Add(space.Join(equal, _point, space.Text(fraction[..i]), Above(fraction[i]), Many(_digit)));
        var more = exclusive ? space.Join(Many(_digit), _nonZero, Many(_digit)) : Many(_digit);
        if (fraction.Length > 0) ways.Add(space.Join(equal, _point, space.Text(fraction), more));
        else ways.Add(space.Join(equal, exclusive ? space.Join(_point, more) : tail));
        return space.Either(ways);
    }

    private Language AtMost(DecimalText most, bool exclusive)
    {
        var tail = space.Repeat(space.Join(_point, Many(_digit)), 0, 1);
        var digits = most.Whole;
        var ways = new List<Language>();
        if (digits.Length > 1) ways.Add(space.Join(space.Repeat(_digit, 1, digits.Length - 1), tail));
        for (var i = 0; i < digits.Length; i++)
            ways.Add(space.Join(space.Text(digits[..i]), Below(digits[i]), space.Repeat(_digit, digits.Length - i - 1, digits.Length - i - 1), tail));

        var equal = space.Text(digits);
        var fraction = most.Fraction;
        var zeros = Many(space.Text("0"));
        if (fraction.Length > 0 || !exclusive) ways.Add(space.Join(equal, space.Repeat(space.Join(_point, zeros), 0, 1)));
        for (var i = 0; i < fraction.Length; i++)
        {
            ways.Add(space.Join(equal, _point, space.Text(fraction[..i]), Below(fraction[i]), Many(_digit)));
            if (i > 0) ways.Add(space.Join(equal, _point, space.Text(fraction[..i]), zeros));
        }

        if (fraction.Length > 0 && !exclusive) ways.Add(space.Join(equal, _point, space.Text(fraction), zeros));
        return space.Either(ways);
    }

    private Language Multiple(DecimalText divisor)
    {
        var places = divisor.Fraction.Length;
        var scaled = divisor.Scaled(places);
        if (scaled.IsZero || divisor.IsNegative) throw new SchemaRefusedException(path + ".multipleOf", "must be greater than 0.");
        if (scaled > MaxDivisor) throw new SchemaRefusedException(path + ".multipleOf", $"is taken up to {MaxDivisor} (digits without the point).");
        return space.Multiple(new DivisionState((int)scaled, places, 0, -1));
    }

    private Language Many(Language item) => space.Repeat(item, 0, null);

    private Language Above(char digit) => digit == '9' ? space.None : space.Chars(CharSet.Of((digit + 1, '9')));

    private Language Below(char digit) => digit == '0' ? space.None : space.Chars(CharSet.Of(('0', digit - 1)));
}
