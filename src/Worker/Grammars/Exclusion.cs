using System.Collections.Immutable;

namespace FinerCut.Worker.Grammars;

/// <summary>
/// "oneOf" means exactly one, which a grammar cannot check; it can only offer alternatives of which no value of one holds against another.
/// Shown here by types, values, ranges, patterns, or a property that tells them apart. What cannot be shown is refused.
/// </summary>
internal sealed class Exclusion(SchemaCases cases, InstanceCheck instances, LanguageRules languages, GrammarLimits limits)
{
    private const int MaxDepth = 4;

    public void Check(SchemaNode node, IReadOnlyList<SchemaNode> alternatives)
    {
        // What stands beside oneOf holds for all of them.
        var beside = new[] { node }.Concat(node.Target is { } target ? [target] : []).ToList();
        for (var i = 0; i < alternatives.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                if (Apart(beside, alternatives[i], alternatives[j]) && Apart(beside, alternatives[j], alternatives[i])) continue;
                throw new SchemaRefusedException(
                    SchemaPath.Member(node.Path, "oneOf"),
                    $"has alternatives that may hold together ({j} and {i}). Use anyOf, or tell them apart by a required property with different const values.");
            }
        }
    }

    private bool Apart(List<SchemaNode> beside, SchemaNode writes, SchemaNode holds) =>
        Apart(Cases(writes, beside), Cases(holds, beside), 0);

    private IReadOnlyList<SchemaCase> Cases(SchemaNode node, List<SchemaNode> beside) =>
        [.. cases.Of([node]).Select(nodes => new SchemaCase([.. nodes.Concat(beside).DistinctBy(one => one.Id)]))];

    private bool Apart(IReadOnlyList<SchemaCase> writes, IReadOnlyList<SchemaCase> holds, int depth) =>
        writes.All(one => holds.All(other => Apart(one, other, depth)));

    /// <summary>Whether nothing that is written for the one holds against the other.</summary>
    private bool Apart(SchemaCase writes, SchemaCase holds, int depth)
    {
        if (writes.IsFinite) return writes.Values().Where(value => Holds(writes, value)).All(value => !Holds(holds, value));
        if (holds.IsFinite) return holds.Values().Where(value => Holds(holds, value)).All(value => !Holds(writes, value));
        var common = writes.Types & Types(holds);
        if ((common & (JsonTypes.Null | JsonTypes.Boolean)) != 0) return false;
        return ((common & JsonTypes.Number) == 0 || Numbers(writes, holds))
            && (!common.HasFlag(JsonTypes.String) || Strings(writes, holds))
            && (!common.HasFlag(JsonTypes.Array) || Arrays(writes, holds, depth))
            && (!common.HasFlag(JsonTypes.Object) || Objects(writes, holds, depth));
    }

    /// <summary>What is no object holds against a schema that speaks of properties only: types that are implied do not count here.</summary>
    private static JsonTypes Types(SchemaCase holds) => holds.Nodes.Aggregate(JsonTypes.All, (types, node) => types & SchemaCase.Of(node));

    private bool Holds(SchemaCase one, System.Text.Json.JsonElement value) => one.Nodes.All(node => instances.HoldsItself(node, value));

    private static bool Numbers(SchemaCase one, SchemaCase other)
    {
        var (a, b) = (one.Range(), other.Range());
        return Below(a.Most, b.Least) || Below(b.Most, a.Least);

        static bool Below(Bound? most, Bound? least) => most is { } high && least is { } low
            && high.Value.CompareTo(low.Value) is var order && (order < 0 || (order == 0 && (high.IsExclusive || low.IsExclusive)));
    }

    private bool Strings(SchemaCase one, SchemaCase other)
    {
        var space = languages.Space;
        return languages.IsEmpty(space.Both(StringShape.Of(one, space, limits).Language(space), StringShape.Of(other, space, limits).Language(space)));
    }

    private bool Arrays(SchemaCase writes, SchemaCase holds, int depth)
    {
        var (a, b) = (ArrayShape.Of(writes), ArrayShape.Of(holds));
        if (a.Most < b.Least || holds.Most("maxItems") < a.Least) return true;
        if (depth >= MaxDepth || a.Least == 0 || (b.Least == 0 && a.Least == 0)) return false;
        return Apart(CasesOf(First(a)), CasesOf(First(b)), depth + 1);

        static ImmutableArray<SchemaNode> First(ArrayShape shape) => shape.Places.IsEmpty ? shape.Rest ?? [] : shape.Places[0];
    }

    private bool Objects(SchemaCase writes, SchemaCase holds, int depth)
    {
        if (depth >= MaxDepth) return false;
        var space = languages.Space;
        var (a, b) = (ObjectShape.Of(writes, space, _ => space.All), ObjectShape.Of(holds, space, _ => space.All));
        foreach (var needed in b.Properties.Where(property => property.IsRequired))
        {
            // Never written at all, or only with values that do not hold.
            var own = a.Properties.FirstOrDefault(property => property.Name == needed.Name);
            if (own is null && !a.Free.Any(names => space.Matches(names.Names, needed.Name))) return true;
            if (own is not null && Apart(CasesOf(own.Schemas), CasesOf(needed.Schemas), depth + 1)) return true;
        }

        foreach (var written in a.Properties.Where(property => property.IsRequired))
        {
            // Always written, and there it does not hold.
            var schemas = holds.Nodes.SelectMany(node => ObjectShape.SchemasOf(node, written.Name, language => space.Matches(language, written.Name), space)).ToImmutableArray();
            if (schemas.Any(schema => schema.IsNever) || Apart(CasesOf(written.Schemas), CasesOf(schemas), depth + 1)) return true;
        }

        return false;
    }

    private IReadOnlyList<SchemaCase> CasesOf(ImmutableArray<SchemaNode> schemas) => [.. cases.Of(schemas).Select(nodes => new SchemaCase(nodes))];
}
