using System.Runtime.CompilerServices;
using System.Text.Json;

namespace FinerCut.Worker.Grammars;

/// <summary>Whether a value of an enum holds against the other keywords beside it. Exact: nothing is narrowed here.</summary>
internal sealed class InstanceCheck(LanguageSpace space)
{
    private readonly Dictionary<int, HashSet<string>> _members = [];

    public bool Holds(SchemaNode node, JsonElement value)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (!node.IsObject) return !node.IsNever;
        return HoldsItself(node, value)
            && (node.Target is not { } target || Holds(target, value))
            && node.Children("allOf").All(part => Holds(part, value))
            && (!node.Has("anyOf") || node.Children("anyOf").Any(part => Holds(part, value)))
            && (!node.Has("oneOf") || node.Children("oneOf").Count(part => Holds(part, value)) == 1);
    }

    /// <summary>The schema's own keywords, without references and combinations.</summary>
    public bool HoldsItself(SchemaNode node, JsonElement value)
    {
        var type = SchemaCase.TypeOf(value);
        if (node.Has("type") && (Types(node) & type) == 0) return false;
        if (node.Child("not") is { } not && Holds(not, value)) return false;
        if (node.Keyword("const") is { } only && !JsonElement.DeepEquals(only, value)) return false;
        if (node.Keyword("enum") is { } some && !Members(node, some).Contains(ValueKey.Of(value))) return false;
        return type switch
        {
            JsonTypes.Object => Object(node, value),
            JsonTypes.Array => Array(node, value),
            JsonTypes.String => String(node, value.GetString()!),
            JsonTypes.Integer or JsonTypes.Fraction => Number(node, value),
            _ => true,
        };
    }

    private HashSet<string> Members(SchemaNode node, JsonElement values)
    {
        if (_members.TryGetValue(node.Id, out var known)) return known;
        return _members[node.Id] = [.. values.EnumerateArray().Select(ValueKey.Of)];
    }

    private static JsonTypes Types(SchemaNode node)
    {
        var types = SchemaCase.Of(node);
        return types.HasFlag(JsonTypes.Fraction) ? types | JsonTypes.Integer : types;
    }

    private static bool Number(SchemaNode node, JsonElement value) =>
        SchemaKeywords.Number(value) is { } number && (new SchemaCase([node]).Range() with { IsInteger = false }).Contains(number);

    private bool String(SchemaNode node, string text)
    {
        var length = text.EnumerateRunes().Count();
        var one = new SchemaCase([node]);
        if (length < one.Least("minLength") || length > one.Most("maxLength")) return false;
        if (node.Keyword("pattern") is { } pattern && !space.Matches(PatternReader.Read(space, pattern.GetString()!, SchemaPath.Member(node.Path, "pattern")), text)) return false;
        return SchemaCase.Format(node) is not { } format || StringFormats.Pattern(format) is not { } known
            || space.Matches(PatternReader.Read(space, known, node.Path), text);
    }

    private bool Array(SchemaNode node, JsonElement value)
    {
        var one = new SchemaCase([node]);
        var items = value.EnumerateArray().ToList();
        if (items.Count < one.Least("minItems") || items.Count > one.Most("maxItems")) return false;
        if (node.Keyword("uniqueItems") is { ValueKind: JsonValueKind.True }
            && items.Where((item, i) => items.Take(i).Any(other => JsonElement.DeepEquals(item, other))).Any()) return false;
        return items.Select((item, i) => (item, Schema: ArrayShape.ItemOf(node, i))).All(place => place.Schema is null || Holds(place.Schema, place.item));
    }

    private bool Object(SchemaNode node, JsonElement value)
    {
        var one = new SchemaCase([node]);
        var names = value.EnumerateObject().Select(member => member.Name).Distinct().ToList();
        if (names.Count < one.Least("minProperties") || names.Count > one.Most("maxProperties")) return false;
        if (node.Keyword("required") is { } required && required.EnumerateArray().Any(name => !names.Contains(name.GetString()!))) return false;
        foreach (var name in names)
        {
            var schemas = ObjectShape.SchemasOf(node, name, pattern => space.Matches(pattern, name), space);
            if (!schemas.All(schema => Holds(schema, value.GetProperty(name)))) return false;
            if (node.Child("propertyNames") is { } naming && !Holds(naming, JsonSerializer.SerializeToElement(name, SpellingJson.Relaxed.String))) return false;
        }

        return true;
    }
}

/// <summary>Equal JSON values have equal keys: however numbers are written, and in whatever order members stand.</summary>
internal static class ValueKey
{
    public static string Of(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => SchemaKeywords.Number(value) is { } number ? $"{(number.IsNegative ? "-" : "")}{number.Whole}.{number.Fraction}" : value.GetRawText(),
        JsonValueKind.String => JsonSpelling.Value(value),
        JsonValueKind.Array => $"[{string.Join(',', value.EnumerateArray().Select(Of))}]",
        JsonValueKind.Object => $"{{{string.Join(',', value.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal).Select(member => $"{JsonSpelling.Value(member.Name)}:{Of(member.Value)}"))}}}",
        _ => value.GetRawText(),
    };
}
