namespace FinerCut.Worker.Grammars;

/// <summary>Rules for objects: properties in the order of the schema, those without a place in it behind them.</summary>
internal static class ObjectRules
{
    public static Expr Of(SchemaRules schemas, SchemaCase one, string hint)
    {
        var rules = schemas.Rules;
        var shape = ObjectShape.Of(one, schemas.Languages.Space, schemas.Names);
        var least = one.Least("minProperties") ?? 0;
        var most = one.Most("maxProperties");
        if (most >= schemas.Limits.Unbounded) most = null;
        if (shape.IsAny && least == 0 && most is null) return JsonRules.Object(rules);

        var free = Expr.Either(shape.Free.Select(names => Free(schemas, names, hint)).Where(member => member != SchemaRules.Nothing).ToList());
        var hasFree = free != SchemaRules.Nothing;
        Bounds(schemas, one, shape, hasFree, ref least, ref most);
        if (shape.Properties.IsEmpty)
        {
            if (!hasFree || most == 0) return least > 0 ? SchemaRules.Nothing : JsonRules.Braces(rules, Expr.Empty, isOptional: false);
            var more = rules.Times(Expr.Join(JsonRules.Comma(rules), free), (int)Math.Max(0, least - 1), (int?)(most - 1), hint + "-more");
            return JsonRules.Braces(rules, Expr.Join(free, more), isOptional: least == 0);
        }

        // "from" at i: the next member, one of those from i on. "rest" at i: what follows a member when those from i on are left.
        Expr from = hasFree ? Expr.Join(free, Expr.Many(Expr.Join(JsonRules.Comma(rules), free))) : SchemaRules.Nothing;
        Expr rest = hasFree ? rules.Add(hint + "-more", Expr.Many(Expr.Join(JsonRules.Comma(rules), free))) : Expr.Empty;
        if (hasFree) from = rules.Add(hint + "-free", from);
        var isRequired = false;
        for (var i = shape.Properties.Length - 1; i >= 0; i--)
        {
            var property = shape.Properties[i];
            var value = schemas.Value(property.Schemas, hint + "-" + property.Name);
            var member = Expr.Join(Expr.Text(JsonSpelling.Value(property.Name) + ":"), JsonRules.Space(rules), value, rest);
            isRequired |= property.IsRequired;
            from = property.IsRequired ? member : from == SchemaRules.Nothing ? member : Expr.Either(member, from);
            if (i == 0) break;
            from = rules.Add(hint + "-from-" + property.Name, from);
            var next = Expr.Join(JsonRules.Comma(rules), from);
            rest = rules.Add(hint + "-rest", isRequired ? next : Expr.Optional(next));
        }

        return JsonRules.Braces(rules, rules.Add(hint + "-first", from), isOptional: !isRequired && least == 0);
    }

    private static Expr Free(SchemaRules schemas, FreeShape names, string hint)
    {
        var rules = schemas.Rules;
        var key = names.Names == schemas.Languages.Space.All
            ? JsonRules.String(rules)
            : schemas.Languages.Write(names.Names, Spelling.Json, hint + "-key") is { } content ? JsonRules.Quoted(content) : null;
        if (key is null) return SchemaRules.Nothing;
        return rules.Add(hint + "-member", Expr.Join(key, Expr.Text(":"), JsonRules.Space(rules), schemas.Value(names.Schemas, hint + "-value")));
    }

    /// <summary>Counts of properties can be kept where all are described alike, or where the listed ones keep them anyway.</summary>
    private static void Bounds(SchemaRules schemas, SchemaCase one, ObjectShape shape, bool hasFree, ref long least, ref long? most)
    {
        var required = shape.Properties.Count(property => property.IsRequired);
        if (least <= required) least = 0;
        if (!hasFree && most >= shape.Properties.Length) most = null;
        if (least > 1)
        {
            throw new SchemaRefusedException(
                SchemaPath.Member(one.First("minProperties")!.Path, "minProperties"),
                "above 1 and above the number of required properties cannot be held to: the same name could be written twice. List what is required.");
        }

        if (most is not null && !shape.Properties.IsEmpty)
        {
            throw new SchemaRefusedException(
                SchemaPath.Member(one.First("maxProperties")!.Path, "maxProperties"), "cannot be held to beside properties that may be left out. Leave it out, or list fewer.");
        }

        if (most > schemas.Limits.Repetitions)
            throw new SchemaRefusedException(SchemaPath.Member(one.First("maxProperties")!.Path, "maxProperties"), $"is taken up to {schemas.Limits.Repetitions}.");
        if (most < least) least = 1; // Nothing holds; said by the empty rule below.
    }
}
