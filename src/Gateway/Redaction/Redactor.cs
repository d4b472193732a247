using System.Collections.Immutable;
using System.Text;
using System.Text.RegularExpressions;

namespace FinerCut.Gateway.Redaction;

/// <param name="Name">Stands in the text in place of what was found: [name].</param>
/// <param name="Pattern">A .NET regular expression without look-around and back-references, so that no text can make it slow.</param>
public sealed record RedactionRule(string Name, string Pattern);

/// <summary>What is taken out of recorded texts.</summary>
/// <param name="Own">The user's own rules; where matches overlap, these name the gap.</param>
public sealed record RedactionConfig(bool Email, bool Phone, bool Card, bool Key, ImmutableArray<RedactionRule> Own)
{
    public static RedactionConfig All { get; } = new(true, true, true, true, []);
}

/// <summary>A stretch of text that must go.</summary>
/// <param name="Rank">Smaller ones name the gap where stretches overlap.</param>
internal readonly record struct Stretch(int Start, int End, string Name, int Rank);

/// <summary>
/// Takes e-mail addresses, telephone numbers, card numbers, access keys and what own rules match out of a text, and leaves [email],
/// [phone], [card], [key] or [name-of-the-rule]. All rules look at the original text and overlapping matches go as one, so no part of one
/// match can hide another. Pure: text in, text out; time is linear in the text. Thread-safe.
/// </summary>
public sealed class Redactor
{
    private const int MostPasses = 4;
    private readonly RedactionConfig _config;
    private readonly ImmutableArray<(Regex Pattern, string Name)> _own;

    /// <exception cref="ArgumentException">A rule is not usable: see <see cref="Check"/>.</exception>
    public Redactor(RedactionConfig config)
    {
        _config = config;
        _own = [.. config.Own.Select(rule => Check(rule) is { } wrong ? throw new ArgumentException($"Redaction rule \"{rule.Name}\": {wrong}", nameof(config)) : (Compile(rule), rule.Name))];
    }

    /// <summary>What is wrong with a rule, as a clause; null when it is fine.</summary>
    public static string? Check(RedactionRule rule)
    {
        if (rule.Name.Length is 0 or > 32 || !rule.Name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_'))
            return "expected a name of 1 to 32 letters, digits, '-' and '_'";
        try
        {
            return Compile(rule).IsMatch("") ? "the pattern matches the empty text; expected one that needs at least one letter" : null;
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            return "expected a regular expression without look-around, back-references and atomic groups: " + exception.Message;
        }
    }

    public string Redact(string text)
    {
        var found = new List<Stretch>();
        for (var i = 0; i < _own.Length; i++) Collect(_own[i].Pattern, text, _own[i].Name, i, found);
        FindKnown(text, found);

        // A gap is a boundary that was not there before: what stood against a match may be seen only now.
        for (var pass = 0; found.Count > 0 && pass < MostPasses; pass++)
        {
            text = Replace(text, found);
            found.Clear();
            FindKnown(text, found);
        }

        return text;
    }

    internal static void Collect(Regex pattern, string text, string name, int rank, List<Stretch> found)
    {
        foreach (var match in pattern.EnumerateMatches(text))
        {
            if (match.Length > 0) found.Add(new Stretch(match.Index, match.Index + match.Length, name, rank));
        }
    }

    private void FindKnown(string text, List<Stretch> found)
    {
        if (_config.Key) SecretPatterns.Find(text, 1000, found);
        if (_config.Email) Collect(ContactPatterns.Email(), text, "email", 1001, found);
        if (_config.Card) CardNumbers.Find(text, 1002, found);
        if (_config.Phone) ContactPatterns.FindPhones(text, 1003, found);
    }

    private static Regex Compile(RedactionRule rule) => new(rule.Pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);

    private static string Replace(string text, List<Stretch> found)
    {
        var result = new StringBuilder(text.Length);
        var done = 0;
        found.Sort((a, b) => a.Start.CompareTo(b.Start));
        for (var i = 0; i < found.Count;)
        {
            var whole = found[i++];
            for (; i < found.Count && found[i].Start < whole.End; i++)
            {
                var name = found[i].Rank < whole.Rank ? found[i] : whole;
                whole = name with { Start = whole.Start, End = Math.Max(whole.End, found[i].End) };
            }

            result.Append(text, done, whole.Start - done).Append('[').Append(whole.Name).Append(']');
            done = whole.End;
        }

        return result.Append(text, done, text.Length - done).ToString();
    }
}
