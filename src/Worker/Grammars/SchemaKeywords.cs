using System.Collections.Frozen;
using System.Text.Json;

namespace FinerCut.Worker.Grammars;

/// <summary>The keywords that are taken, with the kind of their value. Everything else is refused where it stands.</summary>
internal static class SchemaKeywords
{
    private enum Form { Schema, Schemas, SchemaMap, Text, Flag, Count, Number, Positive, Names, Values, Types, Anything, Items }

    private static readonly FrozenDictionary<string, Form> s_taken = new Dictionary<string, Form>
    {
        ["$ref"] = Form.Text, ["$anchor"] = Form.Text, ["$defs"] = Form.SchemaMap, ["definitions"] = Form.SchemaMap,
        ["type"] = Form.Types, ["enum"] = Form.Values, ["const"] = Form.Anything, ["nullable"] = Form.Flag,
        ["allOf"] = Form.Schemas, ["anyOf"] = Form.Schemas, ["oneOf"] = Form.Schemas, ["not"] = Form.Schema,
        ["properties"] = Form.SchemaMap, ["required"] = Form.Names, ["additionalProperties"] = Form.Schema, ["patternProperties"] = Form.SchemaMap,
        ["propertyNames"] = Form.Schema, ["minProperties"] = Form.Count, ["maxProperties"] = Form.Count, ["unevaluatedProperties"] = Form.Flag,
        ["items"] = Form.Items, ["prefixItems"] = Form.Schemas, ["additionalItems"] = Form.Schema, ["minItems"] = Form.Count,
        ["maxItems"] = Form.Count, ["uniqueItems"] = Form.Flag, ["unevaluatedItems"] = Form.Flag,
        ["minLength"] = Form.Count, ["maxLength"] = Form.Count, ["pattern"] = Form.Text, ["format"] = Form.Text,
        ["minimum"] = Form.Number, ["maximum"] = Form.Number, ["exclusiveMinimum"] = Form.Number, ["exclusiveMaximum"] = Form.Number,
        ["multipleOf"] = Form.Positive,
    }.ToFrozenDictionary();

    /// <summary>Keywords that describe and demand nothing.</summary>
    private static readonly FrozenSet<string> s_notes = FrozenSet.Create(
        "$schema", "$id", "$comment", "$vocabulary", "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly",
        "contentMediaType", "contentEncoding", "contentSchema", "discriminator", "externalDocs", "xml", "markdownDescription", "enumNames",
        "enumDescriptions", "errorMessage", "propertyOrdering", "strict");

    /// <exception cref="SchemaRefusedException">Not a schema, or a keyword that is not taken.</exception>
    public static void Check(SchemaNode node, bool isRoot)
    {
        if (node.Value.ValueKind is JsonValueKind.True or JsonValueKind.False) return;
        if (!node.IsObject) throw new SchemaRefusedException(node.Path, $"must be a schema (an object, true or false), not {Kind(node.Value)}.");
        foreach (var member in node.Value.EnumerateObject())
        {
            var path = SchemaPath.Member(node.Path, member.Name);
            if (s_taken.TryGetValue(member.Name, out var form)) Check(form, member.Value, path);
            else if (member.Name == "$id" && !isRoot) throw new SchemaRefusedException(path, "within a schema is not taken: references are resolved against the whole.");
            else if (!s_notes.Contains(member.Name) && !member.Name.StartsWith("x-", StringComparison.Ordinal))
                throw new SchemaRefusedException(path, "is not a keyword that a grammar can hold to. Leave it out, or say it with: " + string.Join(", ", s_taken.Keys.Order(StringComparer.Ordinal)) + ".");
        }
    }

    private static void Check(Form form, JsonElement value, string path)
    {
        var (holds, wanted) = form switch
        {
            Form.Schema => (IsSchema(value), "a schema (an object, true or false)"),
            Form.Schemas => (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0 && value.EnumerateArray().All(IsSchema), "an array of at least one schema"),
            Form.SchemaMap => (value.ValueKind == JsonValueKind.Object && value.EnumerateObject().All(member => IsSchema(member.Value)), "an object of schemas"),
            Form.Items => (IsSchema(value) || (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(IsSchema)), "a schema or an array of schemas"),
            Form.Text => (value.ValueKind == JsonValueKind.String && IsText(value), "a string"),
            Form.Flag => (value.ValueKind is JsonValueKind.True or JsonValueKind.False, "true or false"),
            Form.Count => (Number(value) is { IsNegative: false, IsWhole: true }, "a whole number of at least 0"),
            Form.Number => (Number(value) is not null, "a number of at most 40 digits"),
            Form.Positive => (Number(value) is { IsNegative: false, IsZero: false }, "a number above 0 of at most 40 digits"),
            Form.Names => (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String && IsText(item)), "an array of strings"),
            Form.Values => (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0, "an array of at least one value"),
            Form.Types => (Types(value), "one or more of \"object\", \"array\", \"string\", \"number\", \"integer\", \"boolean\", \"null\""),
            _ => (true, ""),
        };
        if (!holds) throw new SchemaRefusedException(path, $"must be {wanted}.");
    }

    public static DecimalText? Number(JsonElement value) => value.ValueKind == JsonValueKind.Number ? DecimalText.Read(value.GetRawText()) : null;

    public static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        _ => "null",
    };

    private static bool IsSchema(JsonElement value) => value.ValueKind is JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False;

    private static bool IsText(JsonElement value)
    {
        try
        {
            return value.GetString() is not null;
        }
        catch (InvalidOperationException)
        {
            return false; // Half a surrogate pair is no text.
        }
    }

    private static bool Types(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => IsType(value),
        JsonValueKind.Array => value.GetArrayLength() > 0 && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String && IsType(item)),
        _ => false,
    };

    private static bool IsType(JsonElement value) =>
        IsText(value) && value.GetString() is "object" or "array" or "string" or "number" or "integer" or "boolean" or "null";
}
