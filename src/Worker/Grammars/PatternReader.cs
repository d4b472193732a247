using System.Globalization;

namespace FinerCut.Worker.Grammars;

/// <summary>
/// Reads a regular expression of ECMA-262 (by code points) as a language of whole texts. Taken: literals, classes, groups, alternation,
/// quantifiers, ^ and $ at the ends of an alternative of the pattern, lookaheads at an alternative's beginning. The rest is refused.
/// </summary>
internal sealed class PatternReader
{
    private const int MaxLength = 4096;
    private const int MaxDepth = 40;
    private const int MaxRepetitions = 5000;

    private readonly LanguageSpace _space;
    private readonly string _pattern;
    private readonly string _path;
    private int _at;
    private int _depth;

    private PatternReader(LanguageSpace space, string pattern, string path) => (_space, _pattern, _path) = (space, pattern, path);

    /// <exception cref="SchemaRefusedException">Not a regular expression, or one beyond what is taken.</exception>
    public static Language Read(LanguageSpace space, string pattern, string path)
    {
        if (pattern.Length > MaxLength) throw new SchemaRefusedException(path, $"has {pattern.Length} characters; at most {MaxLength} are taken.");
        var reader = new PatternReader(space, pattern, path);
        var language = reader.Alternatives();
        if (reader._at < pattern.Length) throw reader.Refuse("has a ')' without a '('");
        return language;
    }

    private bool AtEnd => _at >= _pattern.Length;

    private bool Next(string text)
    {
        if (string.CompareOrdinal(_pattern, _at, text, 0, text.Length) != 0) return false;
        _at += text.Length;
        return true;
    }

    /// <summary>Alternatives of the whole pattern or of a lookahead: each may be anchored.</summary>
    private Language Alternatives(bool inLookahead = false)
    {
        var all = new List<Language>();
        do
        {
            var fromStart = Next("^") || inLookahead;
            var conditions = new List<Language>();
            while (_pattern.AsSpan(_at).StartsWith("(?=") || _pattern.AsSpan(_at).StartsWith("(?!"))
            {
                var negative = _pattern[_at + 2] == '!';
                _at += 3;
                var condition = Enter(() => Alternatives(inLookahead: true));
                conditions.Add(negative ? _space.Not(condition) : condition);
            }

            var body = Sequence();
            var toEnd = Next("$");
            if (toEnd && !AtEnd && _pattern[_at] is not ('|' or ')')) throw Refuse("has a '$' that is not at the end of an alternative");
            conditions.Add(toEnd ? body : _space.Join(body, _space.All));
            var language = _space.Both(conditions);
            all.Add(fromStart ? language : _space.Join(_space.All, language));
        }
        while (Next("|"));
        return _space.Either(all);
    }

    private Language Group()
    {
        var all = new List<Language>();
        do all.Add(Sequence());
        while (Next("|"));
        return _space.Either(all);
    }

    private Language Sequence()
    {
        var items = new List<Language>();
        while (!AtEnd && _pattern[_at] is not ('|' or ')' or '$')) items.Add(Quantified(Atom()));
        return _space.Join(items.ToArray());
    }

    private Language Quantified(Language item)
    {
        if (AtEnd) return item;
        var (least, most) = (1, (int?)1);
        if (Next("*")) (least, most) = (0, null);
        else if (Next("+")) (least, most) = (1, null);
        else if (Next("?")) (least, most) = (0, 1);
        else if (!Bounds(ref least, ref most)) return item;
        Next("?"); // Lazy: the same language.
        if (!AtEnd && _pattern[_at] is '*' or '+') throw Refuse("has a quantifier after a quantifier");
        return _space.Repeat(item, least, most);
    }

    private bool Bounds(ref int least, ref int? most)
    {
        var end = _pattern.IndexOf('}', _at);
        if (AtEnd || _pattern[_at] != '{' || end < 0) return false;
        var parts = _pattern[(_at + 1)..end].Split(',');
        if (parts.Length > 2 || !Count(parts[0], out least)) return false;
        most = parts.Length == 1 ? least : null;
        if (parts.Length == 2 && parts[1].Length > 0)
        {
            if (!Count(parts[1], out var upper)) return false;
            most = upper;
        }

        if (most < least) throw Refuse("repeats from more to fewer");
        if (least > MaxRepetitions || most > MaxRepetitions) throw Refuse($"repeats more than {MaxRepetitions} times");
        _at = end + 1;
        return true;
    }

    private static bool Count(string text, out int count) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count) || (text.Length > 9 && text.All(char.IsAsciiDigit) && (count = int.MaxValue) > 0);

    private Language Atom()
    {
        if (Next("("))
        {
            if (Next("?:")) return Enter(Group);
            if (Next("?<") && !AtEnd && _pattern[_at] is not ('=' or '!'))
            {
                var end = _pattern.IndexOf('>', _at);
                if (end < 0) throw Refuse("has a group name without its '>'");
                _at = end + 1;
                return Enter(Group);
            }

            if (!AtEnd && (_pattern[_at] == '?' || _pattern[_at - 1] == '<'))
                throw Refuse("has a lookaround that is not a lookahead at the beginning, or flags");
            return Enter(Group);
        }

        if (Next("[")) return _space.Chars(Class());
        if (Next(".")) return _space.Chars(PatternChars.LineEnds.Complement());
        if (_pattern[_at] == '\\') return _space.Chars(PatternChars.Escape(this, out _));
        if (_pattern[_at] is '^' or '*' or '+' or '?')
            throw Refuse(_pattern[_at] == '^' ? "has a '^' that is not at the beginning of an alternative" : "has a quantifier with nothing to repeat");
        return _space.Chars(CharSet.Of(CodePoint()));
    }

    private Language Enter(Func<Language> read)
    {
        if (++_depth > MaxDepth) throw Refuse($"nests groups more than {MaxDepth} deep");
        var language = read();
        _depth--;
        if (!AtEnd && _pattern[_at] == '$') throw Refuse("has a '$' inside a group; write it at the end of the pattern");
        if (!Next(")")) throw Refuse("has a '(' without a ')'");
        return language;
    }

    private CharSet Class()
    {
        var negative = Next("^");
        var set = CharSet.None;
        while (!Next("]"))
        {
            if (AtEnd) throw Refuse("has a '[' without a ']'");
            var first = Member(out var low);
            if (low is not null && _pattern.AsSpan(_at).StartsWith("-") && !_pattern.AsSpan(_at).StartsWith("-]"))
            {
                _at++;
                if (AtEnd) throw Refuse("has a '[' without a ']'");
                Member(out var high);
                if (high is null || high < low) throw Refuse("has a range in a class whose end is not behind its beginning");
                first = CharSet.Of((low.Value, high.Value));
            }

            set = set.Union(first);
        }

        return negative ? set.Complement() : set;
    }

    private CharSet Member(out int? single)
    {
        if (_pattern[_at] == '\\') return PatternChars.Escape(this, out single, inClass: true);
        single = CodePoint();
        return CharSet.Of(single.Value);
    }

    /// <summary>Takes the next code point.</summary>
    internal int CodePoint()
    {
        if (AtEnd) throw Refuse("ends in the middle");
        if (char.IsHighSurrogate(_pattern[_at]) && _at + 1 < _pattern.Length && char.IsLowSurrogate(_pattern[_at + 1]))
        {
            _at += 2;
            return char.ConvertToUtf32(_pattern[_at - 2], _pattern[_at - 1]);
        }

        if (char.IsSurrogate(_pattern[_at])) throw Refuse("has half a surrogate pair");
        return _pattern[_at++];
    }

    internal bool Take(string text) => Next(text);

    /// <summary>Takes this many hexadecimal digits.</summary>
    internal int Hex(int digits)
    {
        if (_at + digits > _pattern.Length || !int.TryParse(_pattern.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            throw Refuse($"has an escape without its {digits} hexadecimal digits");
        _at += digits;
        return value;
    }

    /// <summary>Takes hexadecimal digits up to a closing brace.</summary>
    internal int HexInBraces()
    {
        var end = _pattern.IndexOf('}', _at);
        if (end < 0 || end - _at > 6) throw Refuse("has an escape without its closing brace");
        var value = Hex(end - _at);
        _at = end + 1;
        return value <= CharSet.Last ? value : throw Refuse("names a code point beyond Unicode");
    }

    internal SchemaRefusedException Refuse(string what) =>
        new(_path, $"is a regular expression that {what} (at character {_at}); no grammar is made from that. Rewrite it, or leave it out.");
}
