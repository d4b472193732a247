namespace FinerCut.Runtime.Native;

/// <summary>Reads GBNF text (llama.cpp's grammars/README.md) into a <see cref="GbnfGrammar"/>. Used once.</summary>
internal sealed class GbnfReader(string text, GbnfGrammar grammar, Func<string, bool> isToken)
{
    private const int MaxNesting = 200;
    private const int MaxRepetition = 2000; // MAX_REPETITION_THRESHOLD
    private int _at;

    private char Now => _at < text.Length ? text[_at] : '\0';

    internal void Read()
    {
        Space(lines: true);
        while (_at < text.Length)
        {
            var rule = grammar.Named(Name());
            Space(lines: false);
            if (!text.AsSpan(_at).StartsWith("::=")) throw Expected("\"::=\"");
            _at += 3;
            Space(lines: true);
            Alternatives(rule, 0);
            if (Now == '\r') _at += _at + 1 < text.Length && text[_at + 1] == '\n' ? 2 : 1;
            else if (Now == '\n') _at++;
            else if (_at < text.Length) throw Expected("the end of the rule");
            Space(lines: true);
        }
    }

    private void Alternatives(int rule, int nesting)
    {
        var alternatives = new List<List<int>> { Sequence(nesting) };
        while (Now == '|')
        {
            _at++;
            Space(lines: true);
            alternatives.Add(Sequence(nesting));
        }

        grammar.Define(rule, alternatives);
    }

    private List<int> Sequence(int nesting)
    {
        var sequence = new List<int>();
        var itemStart = 0;
        var itemSize = 0;       // elements that the library makes of the item
        ulong itemRules = 1;    // rules that its repetition would make, as the library counts them
        while (_at < text.Length)
        {
            var start = sequence.Count;
            switch (Now)
            {
                case '"':
                    itemSize = Literal();
                    if (itemSize > 0) sequence.Add(GbnfGrammar.Terminal);
                    itemRules = 1;
                    break;
                case '[':
                    itemSize = Class();
                    if (itemSize > 0) sequence.Add(GbnfGrammar.Terminal);
                    itemRules = 1;
                    break;
                case '.':
                    _at++;
                    sequence.Add(GbnfGrammar.Terminal);
                    (itemSize, itemRules) = (1, 1);
                    break;
                case '<' or '!':
                    Token();
                    sequence.Add(GbnfGrammar.Terminal);
                    (itemSize, itemRules) = (1, 1);
                    break;
                case '(':
                    var before = grammar.SymbolCount;
                    sequence.Add(Group(nesting));
                    (itemSize, itemRules) = (1, (ulong)Math.Max(1, grammar.SymbolCount - before));
                    break;
                case '*' or '+' or '?' or '{':
                    var (least, most) = Bounds(nesting > 0);
                    itemRules *= Repeat(sequence, itemStart, itemSize, itemRules, least, most);
                    Space(lines: nesting > 0);
                    continue;
                default:
                    if (!IsWord(Now)) return sequence;
                    sequence.Add(grammar.Named(Name()));
                    (itemSize, itemRules) = (1, 1);
                    break;
            }

            itemStart = start;
            grammar.Count(itemSize);
            Space(lines: nesting > 0);
        }

        return sequence;
    }

    private int Group(int nesting)
    {
        if (nesting == MaxNesting) throw Wrong($"parentheses are nested deeper than {MaxNesting}");
        _at++;
        Space(lines: true);
        var rule = grammar.New();
        Alternatives(rule, nesting + 1);
        if (Now != ')') throw Expected("\")\"");
        _at++;
        return rule;
    }

    /// <summary>Unrolls a repetition as the library does: S{m,n} is S m times, then n-m nested rules S' ::= S S'' | nothing.</summary>
    private ulong Repeat(List<int> sequence, int itemStart, int itemSize, ulong itemRules, ulong least, ulong? most)
    {
        if (itemStart == sequence.Count) throw Wrong("there is nothing to repeat before it");
        var total = most is > 0 ? most.Value : Math.Max(least, 1);
        if (itemRules * total > MaxRepetition) throw Wrong($"repetitions within repetitions make more than {MaxRepetition} rules");
        var item = sequence[itemStart..];
        if (least == 0) sequence.RemoveRange(itemStart, item.Count);
        for (ulong i = 1; i < least; i++) sequence.AddRange(item);
        var optional = most is null ? 1 : most.Value - least;
        grammar.Count((long)(least + optional) * (itemSize + 3));
        var last = GbnfGrammar.Terminal;
        for (ulong i = 0; i < optional; i++)
        {
            var rule = grammar.New();
            List<int> body = [.. item];
            if (most is null) body.Add(rule);
            else if (i > 0) body.Add(last);
            grammar.Define(rule, [body, []]);
            last = rule;
        }

        if (optional > 0) sequence.Add(last);
        return total;
    }

    private (ulong Least, ulong? Most) Bounds(bool lines)
    {
        switch (text[_at++])
        {
            case '*': return (0, null);
            case '+': return (1, null);
            case '?': return (0, 1);
        }

        Space(lines);
        var least = Number();
        if (least > MaxRepetition) throw Wrong($"at most {MaxRepetition} repetitions can be asked for");
        ulong? most = least;
        Space(lines);
        if (Now == ',')
        {
            _at++;
            Space(lines);
            most = char.IsAsciiDigit(Now) ? Number() : null;
            Space(lines);
        }

        if (Now != '}') throw Expected("\"}\"");
        _at++;
        if (most < least) throw Wrong($"the repetition {{{least},{most}}} has its bounds the wrong way round");
        return (least, most > MaxRepetition ? null : most); // the library takes a bound beyond its limit for none
    }

    private int Literal()
    {
        var size = 0;
        for (_at++; Now != '"'; size++) Character();
        _at++;
        return size;
    }

    private int Class()
    {
        var size = 0;
        _at++;
        if (Now == '^') _at++;
        while (Now != ']')
        {
            Character();
            size++;
            if (Now != '-' || (_at + 1 < text.Length && text[_at + 1] == ']')) continue;
            _at++;
            Character();
            size++;
        }

        _at++;
        return size;
    }

    private void Character()
    {
        if (_at >= text.Length) throw Wrong("the text ends within quotes or brackets");
        if (text[_at++] != '\\') return;
        var digits = Now switch { 'x' => 2, 'u' => 4, 'U' => 8, 't' or 'r' or 'n' or '\\' or '"' or '[' or ']' or '-' => 0, _ => throw Wrong("the escape is unknown") };
        _at++;
        for (; digits > 0; digits--, _at++)
        {
            if (!char.IsAsciiHexDigit(Now)) throw Expected("a hexadecimal digit");
        }
    }

    private void Token()
    {
        if (Now == '!') _at++;
        if (Now != '<') throw Expected("\"<\"");
        var start = _at++;
        if (Now == '[')
        {
            _at++;
            if (Number() > int.MaxValue) throw Wrong("the token's number is out of range");
            if (!text.AsSpan(_at).StartsWith("]>")) throw Expected("\"]>\"");
            _at += 2;
            return;
        }

        while (_at < text.Length && Now != '>') _at++;
        if (Now != '>') throw Expected("\">\"");
        _at++;
        if (!isToken(text[start.._at])) throw Wrong("what stands in <> is not one token of the model");
    }

    private ulong Number()
    {
        var start = _at;
        while (char.IsAsciiDigit(Now)) _at++;
        if (start == _at) throw Expected("a number");
        return _at - start <= 18 ? ulong.Parse(text.AsSpan(start, _at - start), System.Globalization.CultureInfo.InvariantCulture) : throw Wrong("the number is too large");
    }

    private string Name()
    {
        var start = _at;
        while (IsWord(Now)) _at++;
        return _at > start ? text[start.._at] : throw Expected("the name of a rule");
    }

    private static bool IsWord(char letter) => char.IsAsciiLetterOrDigit(letter) || letter == '-';

    private void Space(bool lines)
    {
        while (Now is ' ' or '\t' or '#' || (lines && Now is '\r' or '\n'))
        {
            if (Now == '#')
            {
                while (_at < text.Length && Now is not ('\r' or '\n')) _at++;
            }
            else
            {
                _at++;
            }
        }
    }

    private LlamaException Expected(string what) => Wrong($"{what} is expected");

    /// <summary>Says where, and does not quote: a request's grammar stays out of logs.</summary>
    private LlamaException Wrong(string why)
    {
        var before = text.AsSpan(0, Math.Min(_at, text.Length));
        var line = before.Count('\n') + 1;
        return GbnfGrammar.Refused($"line {line}, column {before.Length - before.LastIndexOf('\n')}: {why}");
    }
}
