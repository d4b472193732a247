using System.Collections.Immutable;
using System.Text.Json;

namespace FinerCut.Worker.Grammars;

[Flags]
internal enum JsonTypes
{
    None = 0, Null = 1, Boolean = 2, Object = 4, Array = 8, String = 16, Integer = 32, Fraction = 64, Number = Integer | Fraction, All = 127,
}

/// <summary>
/// Schemas that must all hold, read together. Where no type is given the type follows from the keywords: a schema that speaks of properties
/// means an object.
/// </summary>
internal sealed class SchemaCase
{
    private static readonly (JsonTypes Type, string[] Keywords)[] s_implied =
    [
        (JsonTypes.Object, ["properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties"]),
        (JsonTypes.Array, ["items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "unevaluatedItems"]),
        (JsonTypes.String, ["pattern", "minLength", "maxLength", "format"]),
        (JsonTypes.Number, ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
    ];

    public SchemaCase(ImmutableArray<SchemaNode> nodes)
    {
        Nodes = nodes;
        Types = nodes.Aggregate(JsonTypes.All, (types, node) => types & Of(node));
        if (nodes.All(node => !node.Has("type") && !node.Has("enum") && !node.Has("const")))
        {
            var implied = s_implied.Where(type => type.Keywords.Any(keyword => nodes.Any(node => node.Has(keyword))))
                .Aggregate(JsonTypes.None, (types, type) => types | type.Type);
            if (implied != JsonTypes.None) Types &= implied;
        }
    }

    public ImmutableArray<SchemaNode> Nodes { get; }

    /// <summary>Types a value may have. Fraction without Integer does not occur.</summary>
    public JsonTypes Types { get; }

    /// <summary>Where to point at in an error about the whole case.</summary>
    public string Path => Nodes.IsEmpty ? "" : Nodes[^1].Path;

    public bool IsFinite => Nodes.Any(node => node.Has("enum") || node.Has("const"));

    /// <summary>The values of the first enum or const; the others, and all other keywords, must hold for them as well.</summary>
    public IEnumerable<JsonElement> Values()
    {
        var node = Nodes.First(node => node.Has("enum") || node.Has("const"));
        return node.Keyword("const") is { } only ? [only] : node.Keyword("enum")!.Value.EnumerateArray();
    }

    /// <summary>The strictest count under a keyword.</summary>
    public long? Least(string keyword) => Nodes.Max(node => Count(node, keyword));

    public long? Most(string keyword) => Nodes.Min(node => Count(node, keyword));

    public SchemaNode? First(string keyword) => Nodes.FirstOrDefault(node => node.Has(keyword));

    public NumberRange Range()
    {
        Bound? least = null, most = null;
        foreach (var node in Nodes)
        {
            var isInt32 = Format(node) == "int32";
            if (isInt32 || Format(node) == "int64")
            {
                least = Stricter(least, new Bound(DecimalText.Read(isInt32 ? "-2147483648" : "-9223372036854775808")!.Value, false), 1);
                most = Stricter(most, new Bound(DecimalText.Read(isInt32 ? "2147483647" : "9223372036854775807")!.Value, false), -1);
            }

            if (Number(node, "minimum") is { } minimum) least = Stricter(least, new Bound(minimum, false), 1);
            if (Number(node, "exclusiveMinimum") is { } above) least = Stricter(least, new Bound(above, true), 1);
            if (Number(node, "maximum") is { } maximum) most = Stricter(most, new Bound(maximum, false), -1);
            if (Number(node, "exclusiveMaximum") is { } below) most = Stricter(most, new Bound(below, true), -1);
        }

        var multiples = Nodes.Select(node => Number(node, "multipleOf")).OfType<DecimalText>().ToList();
        var isInteger = !Types.HasFlag(JsonTypes.Fraction) || multiples.Any(divisor => divisor.IsWhole);
        return new NumberRange(isInteger, least, most, multiples);
    }

    public static string? Format(SchemaNode node) => node.Keyword("format")?.GetString();

    public static JsonTypes TypeOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => JsonTypes.Object,
        JsonValueKind.Array => JsonTypes.Array,
        JsonValueKind.String => JsonTypes.String,
        JsonValueKind.Number => SchemaKeywords.Number(value) is { IsWhole: false } ? JsonTypes.Fraction : JsonTypes.Integer,
        JsonValueKind.Null => JsonTypes.Null,
        _ => JsonTypes.Boolean,
    };

    /// <summary>The types that a schema's own "type", "nullable" and "not" let through.</summary>
    public static JsonTypes Of(SchemaNode node)
    {
        var types = Named(node);
        if (types != JsonTypes.All && node.Keyword("nullable") is { ValueKind: JsonValueKind.True }) types |= JsonTypes.Null;
        if (node.Child("not") is not { } not) return types;
        if (not.IsNever) return types;
        if (not.IsObject && not.Has("type") && not.Value.EnumerateObject().All(member => member.Name is "type" or "title" or "description"))
        {
            var barred = Named(not);
            // Numbers that are no integers have no spelling of their own here.
            if ((barred & JsonTypes.Number) == JsonTypes.Integer && types.HasFlag(JsonTypes.Fraction)) types &= ~JsonTypes.Number;
            return types & ~barred;
        }

        if (node.Has("enum") || node.Has("const")) return types;
        throw new SchemaRefusedException(not.Path, "is taken with \"type\" alone, or beside \"enum\". Say what a value is rather than what it is not.");
    }

    private static JsonTypes Named(SchemaNode node) => node.Keyword("type") switch
    {
        { ValueKind: JsonValueKind.String } one => Named(one.GetString()!),
        { } several => several.EnumerateArray().Aggregate(JsonTypes.None, (types, type) => types | Named(type.GetString()!)),
        null => JsonTypes.All,
    };

    private static JsonTypes Named(string type) => type switch
    {
        "object" => JsonTypes.Object,
        "array" => JsonTypes.Array,
        "string" => JsonTypes.String,
        "integer" => JsonTypes.Integer,
        "number" => JsonTypes.Number,
        "boolean" => JsonTypes.Boolean,
        _ => JsonTypes.Null,
    };

    private static DecimalText? Number(SchemaNode node, string keyword) => node.Keyword(keyword) is { } value ? SchemaKeywords.Number(value) : null;

    private static long? Count(SchemaNode node, string keyword) =>
        Number(node, keyword) is not { } count ? null : count.Whole.Length > 15 ? (long)1e15 : long.Parse(count.Whole);

    private static Bound Stricter(Bound? one, Bound other, int direction)
    {
        if (one is not { } known) return other;
        var order = known.Value.CompareTo(other.Value) * direction;
        return order > 0 || (order == 0 && known.IsExclusive) ? known : other;
    }
}
