using System.Text.RegularExpressions;

namespace FinerCut.Gateway.Redaction;

/// <summary>E-mail addresses and telephone numbers as people write them.</summary>
internal static partial class ContactPatterns
{
    [GeneratedRegex(@"[\w.%+'-]{1,64}@(?:[\w-]{1,63}\.){1,8}\w{2,63}", RegexOptions.CultureInvariant)]
    public static partial Regex Email();

    /// <summary>
    /// Groups of digits with the marks that numbers are grouped by. Every run of whole groups is tried, longest first, since other numbers may stand
    /// next to a telephone number; dates, amounts, versions and addresses of machines look alike and are left.
    /// </summary>
    public static void FindPhones(string text, int rank, List<Stretch> found)
    {
        var starts = new List<int>();
        var ends = new List<int>();
        foreach (var match in Candidate().EnumerateMatches(text))
        {
            var (from, to) = (match.Index, match.Index + match.Length);
            if (from > 0 && text[from] != '+' && char.IsLetterOrDigit(text[from - 1])) continue;
            if (to < text.Length && char.IsLetterOrDigit(text[to])) continue;
            ReadGroups(text, from, to, starts, ends);
            for (var first = 0; first < starts.Count; first++)
            {
                for (var last = ends.Count - 1; last >= first; last--)
                {
                    if (!IsPhone(text.AsSpan(starts[first], ends[last] - starts[first]), last - first + 1)) continue;
                    found.Add(new Stretch(starts[first], ends[last], "phone", rank));
                    first = last;
                    break;
                }
            }
        }
    }

    private static void ReadGroups(string text, int from, int to, List<int> starts, List<int> ends)
    {
        starts.Clear();
        ends.Clear();
        for (var i = from; i < to; i++)
        {
            if (!char.IsAsciiDigit(text[i])) continue;
            starts.Add(i > from && text[i - 1] is '+' or '(' ? i - 1 : i);
            while (i < to && char.IsAsciiDigit(text[i])) i++;
            ends.Add(i);
        }

        if (text[from] == '+' && starts[0] > from) starts[0] = from;
    }

    private static bool IsPhone(ReadOnlySpan<char> number, int groups)
    {
        var digits = 0;
        foreach (var letter in number)
        {
            if (char.IsAsciiDigit(letter)) digits++;
        }

        if (number[0] == '+') return digits is >= 7 and <= 15;
        if (number.StartsWith("00")) return digits is >= 9 and <= 17;
        if (Date().IsMatch(number)) return false;
        if (number[0] == '0' || number.StartsWith("(0")) return digits is >= 9 and <= 12 && groups <= 6 && !(number[1] is '.' or ',');
        return NorthAmerican().IsMatch(number) || Local().IsMatch(number) || Pairs().IsMatch(number);
    }

    [GeneratedRegex(@"(?:\+\(?|\()?\d[\d ().\-/\u00a0]{4,38}\d", RegexOptions.CultureInvariant)]
    private static partial Regex Candidate();

    [GeneratedRegex(@"^\d{1,2}[./\-]\d{1,2}[./\-](?:19|20)\d{2}\b", RegexOptions.CultureInvariant)]
    private static partial Regex Date();

    /// <summary>Area code and exchange begin with 2 to 9, which keeps counts of seconds since 1970 out.</summary>
    [GeneratedRegex(@"^(?:1[ .\-]?)?\(?[2-9]\d{2}\)?[ .\-]{0,2}[2-9]\d{2}[ .\-]?\d{4}$", RegexOptions.CultureInvariant)]
    private static partial Regex NorthAmerican();

    [GeneratedRegex(@"^\d{3}-\d{4}$", RegexOptions.CultureInvariant)]
    private static partial Regex Local();

    [GeneratedRegex(@"^\d{2}(?: \d{2}){3}$", RegexOptions.CultureInvariant)]
    private static partial Regex Pairs();
}
