using System.Globalization;
using System.Text;

namespace FinerCut.Tests.Grammars;

internal sealed partial class Gbnf
{
    private sealed class Reader(Gbnf grammar, string text)
    {
        private int _at;
        private int _made;

        public void Read()
        {
            Space(true);
            while (_at < text.Length)
            {
                var rule = Named(Name());
                Space(false);
                Expect("::=");
                Space(true);
                if (rule.Ways.Count > 0) throw new FormatException($"rule {rule.Name} is defined twice");
                Ways(rule, false);
                if (_at < text.Length && text[_at] != '\n') throw new FormatException($"line end expected at {_at}: {text[_at..Math.Min(text.Length, _at + 30)]}");
                Space(true);
            }
        }

        private Rule Named(string name) =>
            grammar._rules.TryGetValue(name, out var rule) ? rule : grammar._rules[name] = new Rule(name);

        private Rule Made() => grammar._rules[$"_{_made}"] = new Rule($"_{_made++}");

        private void Ways(Rule rule, bool nested)
        {
            do
            {
                Space(nested);
                rule.Ways.Add(Sequence(nested));
            }
            while (Take('|'));
        }

        private Symbol[] Sequence(bool nested)
        {
            var all = new List<Symbol>();
            var last = new List<Symbol>();
            while (_at < text.Length)
            {
                var c = text[_at];
                if (c is '|' or ')' or '\n') break;
                if (c is '*' or '+' or '?' or '{')
                {
                    if (last.Count == 0) throw new FormatException("nothing to repeat");
                    last = Repeat([.. last]);
                    Space(nested);
                    continue;
                }

                all.AddRange(last);
                last = Item();
                Space(nested);
            }

            all.AddRange(last);
            return [.. all];
        }

        private List<Symbol> Item()
        {
            if (Take('"'))
            {
                var chars = new List<Symbol>();
                while (!Take('"'))
                {
                    var c = Char();
                    chars.Add(new Chars([(c, c)], false));
                }

                return chars;
            }

            if (Take('['))
            {
                var negative = Take('^');
                var ranges = new List<(int, int)>();
                while (!Take(']'))
                {
                    var first = Char();
                    var last = first;
                    if (text[_at] == '-' && text[_at + 1] != ']')
                    {
                        _at++;
                        last = Char();
                    }

                    ranges.Add((first, last));
                }

                return [new Chars(ranges, negative)];
            }

            if (Take('.')) return [new Chars([], true)];
            if (!Take('(')) return [Named(Name())];
            var rule = Made();
            Ways(rule, true);
            if (!Take(')')) throw new FormatException($") expected at {_at}");
            return [rule];
        }

        private List<Symbol> Repeat(Symbol[] item)
        {
            var (least, most) = (0, int.MaxValue);
            if (Take('+')) least = 1;
            else if (Take('?')) most = 1;
            else if (!Take('*'))
            {
                Expect("{");
                least = Count();
                most = Take(',') ? text[_at] == '}' ? int.MaxValue : Count() : least;
                Expect("}");
                // What libllama does not take, or takes for something else.
                if (least > 2000 || most is > 2000 and < int.MaxValue) throw new FormatException("repeats more than 2000 times");
            }

            var symbols = new List<Symbol>();
            for (var i = 0; i < least; i++) symbols.AddRange(item);
            if (most == int.MaxValue)
            {
                var more = Made();
                more.Ways.Add([.. item, more]);
                more.Ways.Add([]);
                symbols.Add(more);
                return symbols;
            }

            Rule? next = null;
            for (var i = least; i < most; i++)
            {
                var rule = Made();
                rule.Ways.Add(next is null ? item : [.. item, next]);
                rule.Ways.Add([]);
                next = rule;
            }

            if (next is not null) symbols.Add(next);
            return symbols;
        }

        private int Char()
        {
            if (!Take('\\'))
            {
                Rune.DecodeFromUtf16(text.AsSpan(_at), out var rune, out var length);
                _at += length;
                return rune.Value;
            }

            var escape = text[_at++];
            var digits = escape switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits > 0)
            {
                _at += digits;
                return int.Parse(text.AsSpan(_at - digits, digits), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            }

            return escape switch
            {
                't' => '\t',
                'r' => '\r',
                'n' => '\n',
                '\\' or '"' or '[' or ']' or '-' => escape,
                _ => throw new FormatException($"unknown escape \\{escape}"),
            };
        }

        private int Count()
        {
            var start = _at;
            while (char.IsAsciiDigit(text[_at])) _at++;
            return int.Parse(text.AsSpan(start, _at - start), CultureInfo.InvariantCulture);
        }

        private string Name()
        {
            var start = _at;
            while (_at < text.Length && (char.IsAsciiLetterOrDigit(text[_at]) || text[_at] == '-')) _at++;
            return _at > start ? text[start.._at] : throw new FormatException($"name expected at {_at}: {text[_at..Math.Min(text.Length, _at + 20)]}");
        }

        private void Space(bool lines)
        {
            while (_at < text.Length && (text[_at] is ' ' or '\t' || (lines && text[_at] == '\n'))) _at++;
        }

        private bool Take(char c)
        {
            if (_at >= text.Length || text[_at] != c) return false;
            _at++;
            return true;
        }

        private void Expect(string what)
        {
            foreach (var c in what)
            {
                if (!Take(c)) throw new FormatException($"{what} expected at {_at}");
            }
        }
    }
}
