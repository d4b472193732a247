using System.Text.Json;

namespace FinerCut.Worker.Grammars;

/// <summary>Rules for arrays: a list of places, then items that are all alike.</summary>
internal static class ArrayRules
{
    public static Expr Of(SchemaRules schemas, SchemaCase one, string hint)
    {
        var rules = schemas.Rules;
        var shape = ArrayShape.Of(one);
        var (least, most) = (shape.Least, shape.Most >= schemas.Limits.Unbounded ? null : shape.Most);
        foreach (var (count, keyword) in new[] { (least, "minItems"), (most ?? 0, "maxItems") })
        {
            if (count > schemas.Limits.Repetitions)
                throw new SchemaRefusedException(SchemaPath.Member(one.First(keyword)!.Path, keyword), $"is taken up to {schemas.Limits.Repetitions}.");
        }

        if (one.Nodes.FirstOrDefault(node => node.Keyword("uniqueItems") is { ValueKind: JsonValueKind.True }) is { } unique && most is null or > 1)
            throw new SchemaRefusedException(SchemaPath.Member(unique.Path, "uniqueItems"), "cannot be held to by a grammar, which does not remember items. Leave it out.");
        if (most < least) return SchemaRules.Nothing;
        if (most == 0) return JsonRules.Brackets(rules, Expr.Empty, isOptional: false);

        var places = (int)Math.Min(shape.Places.Length, most ?? int.MaxValue);
        Expr tail = Expr.Empty;
        Expr? first = null;
        if (shape.Rest is { } rest && (most is null || most > places))
        {
            var item = schemas.Value(rest, hint + "-item");
            var after = Math.Max(places, 1);
            tail = item == SchemaRules.Nothing && least <= places
                ? Expr.Empty
                : rules.Times(Expr.Join(JsonRules.Comma(rules), item), (int)Math.Max(0, least - after), (int?)(most - after), hint + "-more");
            if (places == 0) first = Expr.Join(item, tail);
        }

        for (var i = places - 1; i >= 0; i--)
        {
            var item = Expr.Join(schemas.Value(shape.Places[i], $"{hint}-{i}"), tail);
            if (i == 0)
            {
                first = item;
                break;
            }

            var next = Expr.Join(JsonRules.Comma(rules), item);
            tail = rules.Add($"{hint}-after-{i}", least > i ? next : Expr.Optional(next));
        }

        return JsonRules.Brackets(rules, first!, isOptional: least == 0);
    }
}
