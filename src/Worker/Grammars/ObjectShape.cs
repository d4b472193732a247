using System.Collections.Immutable;
using System.Text.Json;

namespace FinerCut.Worker.Grammars;

/// <summary>A property by name.</summary>
/// <param name="Schemas">All must hold for its value.</param>
internal sealed record PropertyShape(string Name, bool IsRequired, ImmutableArray<SchemaNode> Schemas);

/// <summary>Names that are not listed but described.</summary>
internal sealed record FreeShape(Language Names, ImmutableArray<SchemaNode> Schemas);

/// <summary>
/// What an object may hold under a case. Properties that nobody mentions are left out once any are mentioned, unless additionalProperties
/// asks for them: a narrower grammar than the schema, and what is meant by it.
/// </summary>
internal sealed record ObjectShape(ImmutableArray<PropertyShape> Properties, ImmutableArray<FreeShape> Free, bool IsAny)
{
    private const int MaxPatterns = 4;

    public static ObjectShape Of(SchemaCase @case, LanguageSpace space, Func<SchemaNode, Language> naming)
    {
        var nodes = @case.Nodes;
        var required = nodes.SelectMany(Required).Distinct().ToList();
        var names = nodes.SelectMany(node => node.Members("properties")).Select(member => member.Key).Distinct().ToList();
        names.AddRange(required.Except(names).ToList());
        var allowed = space.Both(nodes.Select(node => node.Child("propertyNames")).OfType<SchemaNode>().Select(naming));
        var properties = names
            .Select(name => new PropertyShape(
                name, required.Contains(name), [.. nodes.SelectMany(node => SchemasOf(node, name, language => space.Matches(language, name), space)).Distinct()]))
            .Where(property => property.IsRequired || (space.Matches(allowed, property.Name) && property.Schemas.All(schema => !schema.IsNever)))
            .ToImmutableArray();
        var barred = properties.Where(property => !space.Matches(allowed, property.Name)).ToList();
        if (barred.Count > 0) throw new SchemaRefusedException(@case.Path, $"requires a property that propertyNames does not allow.");

        var patterns = nodes.SelectMany(node => node.Members("patternProperties")).Select(member => member.Key).Distinct().ToList();
        if (patterns.Count > MaxPatterns) throw new SchemaRefusedException(@case.Path, $"has more than {MaxPatterns} different patternProperties.");
        var isOpen = nodes.Any(node => node.Child("additionalProperties") is { IsNever: false })
            || nodes.All(node => !node.Has("properties") && !node.Has("patternProperties") && !node.Has("additionalProperties")
                && node.Keyword("unevaluatedProperties") is not { ValueKind: JsonValueKind.False });
        var isAny = isOpen && names.Count == 0 && patterns.Count == 0 && allowed == space.All && nodes.All(node => !node.Has("additionalProperties"));
        var free = new List<FreeShape>();
        var others = space.Both(allowed, space.Not(space.Either(names.Select(space.Text))));
        for (var chosen = 0; chosen < 1 << patterns.Count; chosen++)
        {
            if (chosen == 0 && !isOpen) continue;
            var language = space.Both(patterns.Select((pattern, i) => (chosen >> i & 1) == 1 ? Pattern(space, nodes, pattern) : space.Not(Pattern(space, nodes, pattern))).Append(others));
            var matched = patterns.Where((_, i) => (chosen >> i & 1) == 1).ToList();
            var schemas = nodes.SelectMany(node => SchemasOf(node, null, known => matched.Any(pattern => Pattern(space, nodes, pattern) == known), space)).Distinct().ToImmutableArray();
            if (schemas.All(schema => !schema.IsNever)) free.Add(new FreeShape(language, schemas));
        }

        return new ObjectShape(properties, [.. free], isAny);
    }

    /// <summary>The schemas of one node that speak of a name: the property's own, those of matching patterns, else the one for all others.</summary>
    public static IEnumerable<SchemaNode> SchemasOf(SchemaNode node, string? name, Func<Language, bool> matches, LanguageSpace space)
    {
        var found = false;
        if (name is not null && node.Member("properties", name) is { } own)
        {
            found = true;
            yield return own;
        }

        foreach (var (pattern, schema) in node.Members("patternProperties"))
        {
            if (!matches(PatternReader.Read(space, pattern, schema.Path))) continue;
            found = true;
            yield return schema;
        }

        if (!found && node.Child("additionalProperties") is { } other) yield return other;
    }

    private static Language Pattern(LanguageSpace space, ImmutableArray<SchemaNode> nodes, string pattern) =>
        PatternReader.Read(space, pattern, nodes.First(node => node.Member("patternProperties", pattern) is not null).Path + ".patternProperties");

    private static IEnumerable<string> Required(SchemaNode node) =>
        node.Keyword("required") is { } names ? names.EnumerateArray().Select(name => name.GetString()!) : [];
}

/// <summary>What an array may hold under a case.</summary>
/// <param name="Places">Schemas of the first items, by position; all of a position must hold.</param>
/// <param name="Rest">Of all items behind those; null = there are none.</param>
internal sealed record ArrayShape(ImmutableArray<ImmutableArray<SchemaNode>> Places, ImmutableArray<SchemaNode>? Rest, long Least, long? Most)
{
    public static ArrayShape Of(SchemaCase @case)
    {
        var nodes = @case.Nodes;
        var least = @case.Least("minItems") ?? 0;
        var most = @case.Most("maxItems");
        var places = nodes.Max(node => (int?)Prefix(node).Count()) ?? 0;
        var rest = nodes.Select(node => ItemOf(node, places)).OfType<SchemaNode>().ToImmutableArray();
        var closed = rest.Any(schema => schema.IsNever)
            || nodes.Any(node => node.Keyword("unevaluatedItems") is { ValueKind: JsonValueKind.False } && rest.IsEmpty)
            || (places > 0 && rest.IsEmpty && least <= places);
        if (closed) most = Math.Min(most ?? places, places);
        var all = Enumerable.Range(0, places).Select(i => nodes.Select(node => ItemOf(node, i)).OfType<SchemaNode>().ToImmutableArray());
        return new ArrayShape([.. all], closed ? null : rest, least, most);
    }

    /// <summary>The schema of one node that speaks of an item.</summary>
    public static SchemaNode? ItemOf(SchemaNode node, int index)
    {
        var prefix = Prefix(node).ToList();
        if (index < prefix.Count) return prefix[index];
        return node.Keyword("items") is { ValueKind: JsonValueKind.Array } ? node.Child("additionalItems") : node.Child("items");
    }

    /// <summary>prefixItems, or what drafts before 2020-12 wrote as an array of items.</summary>
    private static IEnumerable<SchemaNode> Prefix(SchemaNode node) => node.Has("prefixItems") ? node.Children("prefixItems") : node.Children("items");
}
