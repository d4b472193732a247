using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace FinerCut.Worker.Grammars;

/// <summary>
/// Makes regular languages and takes them apart by derivatives (Brzozowski 1964; classes of characters as in Owens, Reppy, Turon 2009).
/// Not thread-safe.
/// </summary>
internal sealed class LanguageSpace
{
    private const long MaxWork = 1_000_000;

    private readonly Dictionary<(LanguageKind, CharSet, string, int, int?, DivisionState), Language> _made = [];
    private readonly Dictionary<(int, int), Language> _derivatives = [];
    private readonly Dictionary<int, ImmutableArray<CharSet>> _classes = [];

    private long _work;

    public LanguageSpace()
    {
        None = Make(LanguageKind.None, false);
        Epsilon = Make(LanguageKind.Epsilon, true);
        All = Repeat(Chars(CharSet.Any), 0, null);
    }

    /// <summary>No text at all.</summary>
    public Language None { get; }

    /// <summary>The empty text only.</summary>
    public Language Epsilon { get; }

    /// <summary>Every text.</summary>
    public Language All { get; }

    public Language Chars(CharSet set) => set.IsEmpty ? None : Make(LanguageKind.Chars, false, set);

    public Language Text(string text)
    {
        var language = Epsilon;
        foreach (var rune in text.EnumerateRunes().Reverse()) language = Join(Chars(CharSet.Of(rune.Value)), language);
        return language;
    }

    public Language Join(params ReadOnlySpan<Language> items)
    {
        var language = Epsilon;
        for (var i = items.Length - 1; i >= 0; i--) language = Join(items[i], language);
        return language;
    }

    public Language Join(Language first, Language then)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (first == None || then == None) return None;
        if (first == Epsilon) return then;
        if (then == Epsilon) return first;
        if (first == All && then == All) return All;
        if (first.Kind == LanguageKind.Join) return Join(first.Parts[0], Join(first.Parts[1], then));
        return Make(LanguageKind.Join, first.IsNullable && then.IsNullable, parts: [first, then]);
    }

    public Language Either(params IEnumerable<Language> items)
    {
        var set = CharSet.None;
        var parts = new SortedDictionary<int, Language>();
        foreach (var item in Flat(items, LanguageKind.Either))
        {
            if (item == All) return All;
            if (item.Kind == LanguageKind.Chars) set = set.Union(item.Set);
            else if (item != None) parts[item.Id] = item;
        }

        if (!set.IsEmpty) parts[Chars(set).Id] = Chars(set);
        if (parts.Count == 0) return None;
        if (parts.Count == 1) return parts.Values.First();
        return Make(LanguageKind.Either, parts.Values.Any(part => part.IsNullable), parts: [.. parts.Values]);
    }

    public Language Both(params IEnumerable<Language> items)
    {
        var parts = new SortedDictionary<int, Language>();
        foreach (var item in Flat(items, LanguageKind.Both))
        {
            if (item == None) return None;
            if (item != All) parts[item.Id] = item;
        }

        if (parts.Count == 0) return All;
        if (parts.Count == 1) return parts.Values.First();
        if (parts.Values.Any(part => part == Epsilon)) return parts.Values.All(part => part.IsNullable) ? Epsilon : None;
        return Make(LanguageKind.Both, parts.Values.All(part => part.IsNullable), parts: [.. parts.Values]);
    }

    public Language Not(Language language)
    {
        if (language == None) return All;
        if (language == All) return None;
        if (language.Kind == LanguageKind.Not) return language.Parts[0];
        return Make(LanguageKind.Not, !language.IsNullable, parts: [language]);
    }

    public Language Repeat(Language item, int least, int? most)
    {
        if (most == 0 || item == Epsilon) return Epsilon;
        if (item == None) return least == 0 ? Epsilon : None;
        if (least == 1 && most == 1) return item;
        if (item.IsNullable) least = 0;
        if (item.Kind == LanguageKind.Repeat && item is { Least: 0, Most: null }) return item;
        return Make(LanguageKind.Repeat, least == 0, parts: [item], least: least, most: most);
    }

    /// <summary>Digits, or digits with a point, that are a multiple of divisor / 10^places.</summary>
    public Language Multiple(DivisionState division) => Make(LanguageKind.Multiple, division.IsMultiple, division: division);

    /// <summary>What may follow this character.</summary>
    public Language Derive(Language language, int next)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (_derivatives.TryGetValue((language.Id, next), out var known)) return known;
        var parts = language.Parts;
        Work(1 + parts.Length);
        return _derivatives[(language.Id, next)] = language.Kind switch
        {
            LanguageKind.Chars => language.Set.Contains(next) ? Epsilon : None,
            LanguageKind.Join when parts[0].IsNullable => Either(Join(Derive(parts[0], next), parts[1]), Derive(parts[1], next)),
            LanguageKind.Join => Join(Derive(parts[0], next), parts[1]),
            LanguageKind.Either => Either(parts.Select(part => Derive(part, next))),
            LanguageKind.Both => Both(parts.Select(part => Derive(part, next))),
            LanguageKind.Not => Not(Derive(parts[0], next)),
            LanguageKind.Repeat => Join(Derive(parts[0], next), Repeat(parts[0], Math.Max(0, language.Least - 1), language.Most - 1)),
            LanguageKind.Multiple => Divide(language.Division, next),
            _ => None,
        };
    }

    /// <summary>Sets that cover all characters; the language treats those of one set alike.</summary>
    public ImmutableArray<CharSet> Classes(Language language)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (_classes.TryGetValue(language.Id, out var known)) return known;
        var parts = language.Parts;
        return _classes[language.Id] = language.Kind switch
        {
            LanguageKind.Chars => Split([CharSet.Any], [language.Set, language.Set.Complement()]),
            LanguageKind.Join when !parts[0].IsNullable => Classes(parts[0]),
            LanguageKind.None or LanguageKind.Epsilon => [CharSet.Any],
            LanguageKind.Multiple => [.. "0123456789.".Select(letter => CharSet.Of(letter)), CharSet.Digits.Union(CharSet.Of('.')).Complement()],
            _ => parts.Aggregate(ImmutableArray.Create(CharSet.Any), (classes, part) => Split(classes, Classes(part))),
        };
    }

    public bool Matches(Language language, string text)
    {
        foreach (var rune in text.EnumerateRunes()) language = Derive(language, rune.Value);
        return language.IsNullable;
    }

    private ImmutableArray<CharSet> Split(ImmutableArray<CharSet> classes, ImmutableArray<CharSet> by) =>
        by.Length == 1 ? classes : Work(classes.Length * by.Length) ? [] : [.. classes.SelectMany(set => by.Select(other => set.Intersect(other))).Where(set => !set.IsEmpty)];

    /// <summary>Counts steps, so that a small pattern cannot keep the process busy. Always false.</summary>
    private bool Work(int steps)
    {
        _work += steps;
        if (_work > MaxWork) throw new GrammarTooLargeException("its patterns, formats and ranges multiply out to too many states");
        return false;
    }

    private IEnumerable<Language> Flat(IEnumerable<Language> items, LanguageKind kind)
    {
        foreach (var item in items)
        {
            Work(1 + item.Parts.Length);
            if (item.Kind != kind) yield return item;
            else foreach (var part in item.Parts) yield return part;
        }
    }

    private Language Divide(DivisionState at, int next)
    {
        if (next == '.') return at is { Fraction: < 0, Places: > 0 } ? Multiple(at with { Fraction = 0 }) : None;
        if (next is < '0' or > '9' || at.Fraction >= at.Places) return None;
        var remainder = (int)((at.Remainder * 10L + next - '0') % at.Divisor);
        return Multiple(at with { Remainder = remainder, Fraction = at.Fraction < 0 ? -1 : at.Fraction + 1 });
    }

    private Language Make(
        LanguageKind kind, bool isNullable, CharSet? set = null, ImmutableArray<Language> parts = default, int least = 0, int? most = null,
        DivisionState division = default)
    {
        set ??= CharSet.None;
        if (parts.IsDefault) parts = [];
        Work(1 + parts.Length + set.Ranges.Length);
        var key = (kind, set, string.Join(',', parts.Select(part => part.Id)), least, most, division);
        if (_made.TryGetValue(key, out var known)) return known;
        return _made[key] = new Language(_made.Count, kind, isNullable) { Set = set, Parts = parts, Least = least, Most = most, Division = division };
    }
}
