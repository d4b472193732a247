using System.Collections.Frozen;

namespace FinerCut.Worker.Grammars;

/// <summary>
/// Formats of strings as regular expressions. Each holds valid texts only; those of names and addresses hold the usual ones, not every one
/// that the standards allow.
/// </summary>
internal static class StringFormats
{
    private const string Year = "[0-9]{4}";

    /// <summary>Years with a 29 February: divisible by 4, and by 400 where by 100.</summary>
    private const string LeapYear = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";

    private const string Date =
        $"(?:{Year}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|{LeapYear}-02-29)";

    private const string Clock = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
    private const string Time = $"{Clock}:[0-5][0-9](?:\\.[0-9]{{1,7}})?(?:Z|[+\\-]{Clock})";
    private const string Figure = "[0-9]{1,4}";
    private const string DaysLength = $"(?:{Figure}Y(?:{Figure}M(?:{Figure}D)?)?|{Figure}M(?:{Figure}D)?|{Figure}D)";
    private const string HoursLength = $"(?:{Figure}H(?:{Figure}M(?:{Figure}S)?)?|{Figure}M(?:{Figure}S)?|{Figure}S)";
    private const string Label = "[A-Za-z0-9](?:[A-Za-z0-9\\-]{0,30}[A-Za-z0-9])?";
    private const string Host = $"{Label}(?:\\.{Label}){{0,5}}";
    private const string Octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    private const string Atom = "[A-Za-z0-9_+\\-]+";
    private const string UriChar = "(?:[A-Za-z0-9\\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})";

    private static readonly FrozenDictionary<string, string> s_patterns = new Dictionary<string, string>
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = $"{Date}T{Time}",
        ["duration"] = $"P(?:[0-9]{{1,4}}W|{DaysLength}(?:T{HoursLength})?|T{HoursLength})",
        ["uuid"] = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
        ["email"] = $"{Atom}(?:\\.{Atom}){{0,4}}@{Label}(?:\\.{Label}){{1,4}}",
        ["hostname"] = Host,
        ["ipv4"] = $"{Octet}(?:\\.{Octet}){{3}}",
        ["ipv6"] = "[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){7}",
        ["uri"] = $"[a-z][a-z0-9+\\-.]*://[A-Za-z0-9]+(?:[.\\-][A-Za-z0-9]+)*(?::[1-9][0-9]{{0,3}})?(?:/{UriChar}*)?",
    }.ToFrozenDictionary();

    /// <summary>OpenAPI's formats that say how a value is kept or shown, not what it may be.</summary>
    private static readonly FrozenSet<string> s_hints = FrozenSet.Create("float", "double", "password", "binary", "byte");

    public static IEnumerable<string> Known => s_patterns.Keys.Order(StringComparer.Ordinal);

    public static bool IsHint(string format) => s_hints.Contains(format);

    /// <summary>The pattern of a format's texts as a whole, null for a format that is not known.</summary>
    public static string? Pattern(string format) => s_patterns.TryGetValue(format, out var pattern) ? $"^(?:{pattern})$" : null;
}
