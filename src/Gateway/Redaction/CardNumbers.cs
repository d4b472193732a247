namespace FinerCut.Gateway.Redaction;

/// <summary>
/// Payment card numbers: 13 to 19 digits in groups split by single blanks or hyphens, the first digit 2 to 6, the Luhn sum right. A number may be
/// surrounded by further groups (an expiry date, a security code): every run of whole groups is tried.
/// </summary>
public static class CardNumbers
{
    private const int Shortest = 13;
    private const int Longest = 19;

    internal static void Find(string text, int rank, List<Stretch> found)
    {
        var groups = new List<(int Start, int End)>();
        for (var i = 0; i < text.Length;)
        {
            if (!char.IsAsciiDigit(text[i]))
            {
                i++;
                continue;
            }

            groups.Clear();
            i = ReadGroups(text, i, groups);
            FindIn(text, groups, rank, found);
        }
    }

    /// <summary>True when the digits, from the right, every second doubled, sum to a multiple of ten. Other letters are skipped.</summary>
    public static bool Luhn(ReadOnlySpan<char> digits)
    {
        var sum = 0;
        var twice = false;
        for (var i = digits.Length - 1; i >= 0; i--)
        {
            if (!char.IsAsciiDigit(digits[i])) continue;
            var digit = digits[i] - '0';
            sum += twice ? (digit * 2 / 10) + (digit * 2 % 10) : digit;
            twice = !twice;
        }

        return sum % 10 == 0;
    }

    private static int ReadGroups(string text, int at, List<(int Start, int End)> groups)
    {
        while (true)
        {
            var start = at;
            while (at < text.Length && char.IsAsciiDigit(text[at])) at++;
            groups.Add((start, at));
            var another = at + 1 < text.Length && text[at] is ' ' or '-' or '\u00a0' && char.IsAsciiDigit(text[at + 1]);
            if (!another) return at;
            at++;
        }
    }

    private static void FindIn(string text, List<(int Start, int End)> groups, int rank, List<Stretch> found)
    {
        for (var first = 0; first < groups.Count; first++)
        {
            if (text[groups[first].Start] is < '2' or > '6') continue;
            var digits = 0;
            for (var last = first; last < groups.Count; last++)
            {
                digits += groups[last].End - groups[last].Start;
                if (digits > Longest) break;
                var (start, end) = (groups[first].Start, groups[last].End);
                if (digits >= Shortest && Luhn(text.AsSpan(start, end - start))) found.Add(new Stretch(start, end, "card", rank));
            }
        }
    }
}
