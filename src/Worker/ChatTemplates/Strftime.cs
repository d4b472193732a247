using System.Globalization;
using System.Text;

namespace FinerCut.Worker.ChatTemplates;

/// <summary>C's strftime as Python templates use it, in the invariant culture. Unknown directives stay as they are.</summary>
internal static class Strftime
{
    public static string Format(DateTimeOffset time, string format)
    {
        var text = new StringBuilder(format.Length + 16);
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }

            var trim = format[i + 1] == '-' && i + 2 < format.Length;
            if (trim) i++;
            var value = Directive(time, format[++i]);
            text.Append(value is null ? $"%{(trim ? "-" : "")}{format[i]}" : trim ? value.TrimStart('0').PadLeft(1, '0') : value);
        }

        return text.ToString();
    }

    private static string? Directive(DateTimeOffset time, char directive) => directive switch
    {
        'Y' => Invariant(time, "yyyy"),
        'y' => Invariant(time, "yy"),
        'm' => Invariant(time, "MM"),
        'd' => Invariant(time, "dd"),
        'e' => time.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
        'b' or 'h' => Invariant(time, "MMM"),
        'B' => Invariant(time, "MMMM"),
        'a' => Invariant(time, "ddd"),
        'A' => Invariant(time, "dddd"),
        'H' => Invariant(time, "HH"),
        'I' => Invariant(time, "hh"),
        'M' => Invariant(time, "mm"),
        'S' => Invariant(time, "ss"),
        'p' => Invariant(time, "tt"),
        'j' => time.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
        'F' => Invariant(time, "yyyy-MM-dd"),
        'T' => Invariant(time, "HH:mm:ss"),
        'D' => Invariant(time, "MM/dd/yy"),
        'z' => Invariant(time, "zzz").Replace(":", "", StringComparison.Ordinal),
        '%' => "%",
        _ => null,
    };

    private static string Invariant(DateTimeOffset time, string format) => time.ToString(format, CultureInfo.InvariantCulture);
}
