using System.Collections.Immutable;
using System.Text;

namespace FinerCut.Worker.Grammars;

/// <summary>A grammar expression. Immutable.</summary>
internal abstract record Expr
{
    public static Expr Empty { get; } = new Seq([]);

    public static Expr Text(string text) => text.Length == 0 ? Empty : new Literal(text);

    public static Expr Chars(CharSet set) => new Class(set);

    public static Expr Optional(Expr item) => new Repeat(item, 0, 1);

    public static Expr Many(Expr item, int least = 0, int? most = null) => new Repeat(item, least, most);

    /// <summary>One after another; nested sequences are flattened and neighbouring texts joined.</summary>
    public static Expr Join(params IEnumerable<Expr> items)
    {
        var flat = new List<Expr>();
        foreach (var item in items) Add(item);
        return flat.Count == 1 ? flat[0] : new Seq([.. flat]);

        void Add(Expr item)
        {
            if (item is Seq seq)
            {
                foreach (var inner in seq.Items) Add(inner);
            }
            else if (item is Literal text && flat.Count > 0 && flat[^1] is Literal before)
            {
                flat[^1] = new Literal(before.Value + text.Value);
            }
            else
            {
                flat.Add(item);
            }
        }
    }

    /// <summary>One of several; a single one stands for itself.</summary>
    public static Expr Either(params IEnumerable<Expr> items)
    {
        var all = items.Distinct().ToImmutableArray();
        return all.Length == 1 ? all[0] : new Alt(all);
    }

    internal sealed record Literal(string Value) : Expr;

    internal sealed record Class(CharSet Set) : Expr;

    internal sealed record Rule(int Id) : Expr;

    internal sealed record Seq(ImmutableArray<Expr> Items) : Expr
    {
        public bool Equals(Seq? other) => other is not null && Items.AsSpan().SequenceEqual(other.Items.AsSpan());

        public override int GetHashCode() => Items.Aggregate(17, (hash, item) => HashCode.Combine(hash, item));
    }

    /// <summary>None of no alternatives: matches nothing at all.</summary>
    internal sealed record Alt(ImmutableArray<Expr> Items) : Expr
    {
        public bool Equals(Alt? other) => other is not null && Items.AsSpan().SequenceEqual(other.Items.AsSpan());

        public override int GetHashCode() => Items.Aggregate(31, (hash, item) => HashCode.Combine(hash, item));
    }

    internal sealed record Repeat(Expr Item, int Least, int? Most) : Expr;
}

/// <summary>Writes expressions as GBNF.</summary>
internal static class GbnfWriter
{
    public static void Write(StringBuilder to, Expr expr, Func<int, string> name, bool nested = false)
    {
        switch (expr)
        {
            case Expr.Literal literal:
                to.Append('"');
                foreach (var rune in literal.Value.EnumerateRunes()) Escape(to, rune.Value, inClass: false);
                to.Append('"');
                break;
            case Expr.Class set:
                to.Append('[');
                foreach (var (first, last) in set.Set.Ranges)
                {
                    Escape(to, first, inClass: true);
                    if (last > first + 1) to.Append('-');
                    if (last > first) Escape(to, last, inClass: true);
                }

                to.Append(']');
                break;
            case Expr.Rule rule:
                to.Append(name(rule.Id));
                break;
            case Expr.Seq { Items.IsEmpty: true }:
                to.Append("\"\"");
                break;
            case Expr.Seq seq:
                Group(to, nested, () => Items(to, seq.Items, " ", name));
                break;
            case Expr.Alt alt:
                Group(to, nested, () => Items(to, alt.Items, " | ", name));
                break;
            case Expr.Repeat repeat:
                Write(to, repeat.Item, name, nested: true);
                to.Append((repeat.Least, repeat.Most) switch
                {
                    (0, null) => "*",
                    (1, null) => "+",
                    (0, 1) => "?",
                    (var least, null) => $"{{{least},}}",
                    (var least, var most) when least == most => $"{{{least}}}",
                    (var least, var most) => $"{{{least},{most}}}",
                });
                break;
            default:
                throw new InvalidOperationException(expr.GetType().Name);
        }
    }

    private static void Items(StringBuilder to, ImmutableArray<Expr> items, string between, Func<int, string> name)
    {
        for (var i = 0; i < items.Length; i++)
        {
            if (i > 0) to.Append(between);
            Write(to, items[i], name, nested: true);
        }
    }

    private static void Group(StringBuilder to, bool nested, Action write)
    {
        if (nested) to.Append('(');
        write();
        if (nested) to.Append(')');
    }

    /// <summary>Everything but plain ASCII goes as an escape: grammars stay readable in logs and independent of encodings.</summary>
    private static void Escape(StringBuilder to, int codePoint, bool inClass)
    {
        switch (codePoint)
        {
            case '\n': to.Append("\\n"); break;
            case '\r': to.Append("\\r"); break;
            case '\t': to.Append("\\t"); break;
            case '\\': to.Append("\\\\"); break;
            case '"': to.Append("\\\""); break;
            case '[' or ']' or '-' when inClass: to.Append('\\').Append((char)codePoint); break;
            case '^' when inClass: to.Append("\\x5E"); break;
            case >= 0x20 and < 0x7F: to.Append((char)codePoint); break;
            case < 0x100: to.Append($"\\x{codePoint:X2}"); break;
            case < 0x10000: to.Append($"\\u{codePoint:X4}"); break;
            default: to.Append($"\\U{codePoint:X8}"); break;
        }
    }
}
