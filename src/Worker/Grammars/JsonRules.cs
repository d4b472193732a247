namespace FinerCut.Worker.Grammars;

/// <summary>Rules of plain JSON, which all grammars share.</summary>
internal static class JsonRules
{
    private const int MaxIndent = 20;
    private const int MaxDigits = 15;
    private const int IntegerDigits = 18;

    /// <summary>White space between tokens: none, a blank, or a line break and indentation. Bounded, since small models lose themselves in it.</summary>
    public static Expr Space(GrammarRules rules) => rules.Once("ws", () => Expr.Optional(Expr.Either(
        Expr.Text(" "), Expr.Join(Expr.Text("\n"), Expr.Many(Expr.Chars(CharSet.Of((' ', ' '), ('\t', '\t'))), 0, MaxIndent)))));

    public static Expr Value(GrammarRules rules) => rules.Once("value", () => Expr.Either(
        Object(rules), Array(rules), String(rules), Number(rules), Expr.Text("true"), Expr.Text("false"), Expr.Text("null")));

    public static Expr Object(GrammarRules rules) => rules.Once("object", () =>
    {
        var member = rules.Add("member", Expr.Join(String(rules), Expr.Text(":"), Space(rules), Value(rules)));
        return Braces(rules, Expr.Join(member, Expr.Many(Expr.Join(Comma(rules), member))), isOptional: true);
    });

    public static Expr Array(GrammarRules rules) => rules.Once("array", () =>
        Brackets(rules, Expr.Join(Value(rules), Expr.Many(Expr.Join(Comma(rules), Value(rules)))), isOptional: true));

    public static Expr String(GrammarRules rules) => rules.Once("string", () => Quoted(Expr.Many(JsonSpelling.AnyChar(rules))));

    public static Expr Number(GrammarRules rules) => rules.Once("number", () =>
    {
        var digits = Expr.Chars(CharSet.Digits);
        var whole = Expr.Either(Expr.Text("0"), Expr.Join(Expr.Chars(CharSet.Of(('1', '9'))), Expr.Many(digits, 0, MaxDigits - 1)));
        var fraction = Expr.Optional(Expr.Join(Expr.Text("."), Expr.Many(digits, 1, MaxDigits)));
        var exponent = Expr.Optional(Expr.Join(
            Expr.Chars(CharSet.Of(('e', 'e'), ('E', 'E'))), Expr.Optional(Expr.Chars(CharSet.Of(('+', '+'), ('-', '-')))), Expr.Many(digits, 1, 2)));
        return Expr.Join(Expr.Optional(Expr.Text("-")), whole, fraction, exponent);
    });

    public static Expr Integer(GrammarRules rules) => rules.Once("integer", () => Expr.Either(
        Expr.Text("0"),
        Expr.Join(Expr.Optional(Expr.Text("-")), Expr.Chars(CharSet.Of(('1', '9'))), Expr.Many(Expr.Chars(CharSet.Digits), 0, IntegerDigits - 1))));

    public static Expr Comma(GrammarRules rules) => Expr.Join(Expr.Text(","), Space(rules));

    public static Expr Quoted(Expr content) => Expr.Join(Expr.Text("\""), content, Expr.Text("\""));

    public static Expr Braces(GrammarRules rules, Expr content, bool isOptional) => Around(rules, "{", content, "}", isOptional);

    public static Expr Brackets(GrammarRules rules, Expr content, bool isOptional) => Around(rules, "[", content, "]", isOptional);

    private static Expr Around(GrammarRules rules, string open, Expr content, string close, bool isOptional)
    {
        var inside = Expr.Join(content, Space(rules));
        return Expr.Join(Expr.Text(open), Space(rules), isOptional ? Expr.Optional(inside) : inside, Expr.Text(close));
    }
}
