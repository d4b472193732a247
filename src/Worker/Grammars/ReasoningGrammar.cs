using FinerCut.Worker.Reasoning;

namespace FinerCut.Worker.Grammars;

/// <summary>GBNF whose start rule has a name of its own.</summary>
public sealed record GrammarText(string Text, string Root);

/// <summary>Puts reasoning in front of a grammar, so that a model may think before it answers in the form asked for.</summary>
public static class ReasoningGrammar
{
    private const string Name = "reasoning-first";

    /// <param name="gbnf">A grammar with the start rule "root"; no rule's name may begin with "reasoning-first".</param>
    /// <param name="startsInside">The prompt opened the reasoning; otherwise it may be there or not.</param>
    public static GrammarText Wrap(string gbnf, ReasoningTags tags, bool startsInside)
    {
        ArgumentNullException.ThrowIfNull(gbnf);
        ArgumentNullException.ThrowIfNull(tags);
        var builder = new GrammarBuilder(GrammarLimits.Default);
        var before = builder.Write(Before(builder, tags, startsInside, Name + "-text"), "reasoning");
        return new GrammarText($"{gbnf.TrimEnd()}\n{Name} ::= {Name}-tags root\n{Name}-tags{before["root".Length..]}", Name);
    }

    internal static Expr Before(GrammarBuilder builder, ReasoningTags tags, bool startsInside, string hint = "reasoning")
    {
        var rest = Expr.Join(UpTo(builder, tags.Close, hint), Expr.Many(Expr.Text("\n"), 0, 2));
        return startsInside ? rest : Expr.Optional(Expr.Join(Expr.Text(tags.Open), rest));
    }

    /// <summary>Any text that ends with the marker and has it nowhere before.</summary>
    internal static Expr UpTo(GrammarBuilder builder, string marker, string hint)
    {
        var space = builder.Languages.Space;
        var text = space.Text(marker);
        return builder.Languages.Write(
            space.Both(space.Join(space.All, text), space.Not(space.Join(space.All, text, space.Chars(CharSet.Any), space.All))), Spelling.Raw, hint)!;
    }

    /// <summary>Any text without the marker.</summary>
    internal static Expr Without(GrammarBuilder builder, string marker, string hint)
    {
        var space = builder.Languages.Space;
        return builder.Languages.Write(space.Not(space.Join(space.All, space.Text(marker), space.All)), Spelling.Raw, hint)!;
    }
}
