namespace FinerCut.Worker.Grammars;

/// <summary>Rules for strings and numbers.</summary>
internal sealed class ScalarRules(GrammarRules rules, LanguageRules languages, GrammarLimits limits)
{
    public Expr String(SchemaCase one, string hint)
    {
        var shape = StringShape.Of(one, languages.Space, limits);
        if (shape.Pattern is null)
        {
            if (shape is { Least: 0, Most: null }) return JsonRules.String(rules);
            if (shape.Most < shape.Least) return SchemaRules.Nothing;
            return JsonRules.Quoted(rules.Times(JsonSpelling.AnyChar(rules), shape.Least, shape.Most, hint));
        }

        var language = shape is { Least: 0, Most: null } ? shape.Pattern : shape.Language(languages.Space);
        return languages.Write(language, Spelling.Json, hint) is { } content ? JsonRules.Quoted(content) : SchemaRules.Nothing;
    }

    public Expr Number(SchemaCase one, string hint)
    {
        var range = one.Range();
        if (range.IsFree) return range.IsInteger ? JsonRules.Integer(rules) : JsonRules.Number(rules);
        return languages.Write(new NumberLanguage(languages.Space, one.Path).Of(range), Spelling.Raw, hint) ?? SchemaRules.Nothing;
    }
}
