using System.Text.Json;
using System.Text.RegularExpressions;

namespace FinerCut.Tests.Grammars;

/// <summary>A JSON schema validator for tests, written apart from the code under test (its patterns run on .NET's engine).</summary>
internal static class SchemaOracle
{
    /// <summary>ECMA-262's white space, which .NET's ECMAScript mode takes for ASCII only.</summary>
    private const string WhiteSpace = "[\\s\\u00A0\\uFEFF\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F\\u3000]";

    private static readonly Dictionary<string, Func<string, bool>> s_formats = new()
    {
        ["date"] = text => DateOnly.TryParseExact(text, "yyyy-MM-dd", out _) || text.StartsWith("0000", StringComparison.Ordinal),
        ["time"] = text => TimeOnly.TryParse(text[..8], out _) && Regex.IsMatch(text, "(Z|[+-][0-9]{2}:[0-9]{2})$"),
        ["date-time"] = text => DateTimeOffset.TryParse(text, out _) || text.StartsWith("0000", StringComparison.Ordinal) || Regex.IsMatch(text, "^(0001-01-01|9999-12-31)|[+-](1[4-9]|2)[0-9:]*$"),
        ["uuid"] = text => Guid.TryParseExact(text, "D", out _),
        ["ipv4"] = text => System.Net.IPAddress.TryParse(text, out var address) && address.ToString() == text,
        ["email"] = text => System.Net.Mail.MailAddress.TryCreate(text, out _),
        ["uri"] = text => Uri.TryCreate(text, UriKind.Absolute, out _),
        ["duration"] = text => Regex.IsMatch(text, "^P(?!$)(\\d+W|(\\d+Y)?(\\d+M)?(\\d+D)?(T(?!$)(\\d+H)?(\\d+M)?(\\d+S)?)?)$"),
    };

    public static bool Holds(JsonElement schema, JsonElement value) => Holds(schema, value, schema);

    private static bool Holds(JsonElement schema, JsonElement value, JsonElement root)
    {
        if (schema.ValueKind is JsonValueKind.True or JsonValueKind.False) return schema.GetBoolean();
        var nullable = schema.TryGetProperty("nullable", out var flag) && flag.GetBoolean() && value.ValueKind == JsonValueKind.Null;
        return nullable || schema.EnumerateObject().All(keyword => Holds(keyword.Name, keyword.Value, schema, value, root));
    }

    private static bool Holds(string keyword, JsonElement rule, JsonElement schema, JsonElement value, JsonElement root)
    {
        switch (keyword)
        {
            case "$ref": return Holds(Resolve(root, rule.GetString()!), value, root);
            case "type": return (rule.ValueKind == JsonValueKind.String ? [rule] : rule.EnumerateArray().ToArray()).Any(type => IsType(type.GetString()!, value));
            case "enum": return rule.EnumerateArray().Any(item => JsonElement.DeepEquals(item, value));
            case "const": return JsonElement.DeepEquals(rule, value);
            case "allOf": return rule.EnumerateArray().All(part => Holds(part, value, root));
            case "anyOf": return rule.EnumerateArray().Any(part => Holds(part, value, root));
            case "oneOf": return rule.EnumerateArray().Count(part => Holds(part, value, root)) == 1;
            case "not": return !Holds(rule, value, root);
        }

        return value.ValueKind switch
        {
            JsonValueKind.Number => Number(keyword, rule, decimal.Parse(value.GetRawText(), System.Globalization.NumberStyles.Float)),
            JsonValueKind.String => Text(keyword, rule, value.GetString()!),
            JsonValueKind.Array => Array(keyword, rule, schema, [.. value.EnumerateArray()], root),
            JsonValueKind.Object => Object(keyword, rule, schema, value.EnumerateObject().GroupBy(member => member.Name).ToDictionary(group => group.Key, group => group.Last().Value), root),
            _ => true,
        };
    }

    private static bool Number(string keyword, JsonElement rule, decimal number) => keyword switch
    {
        "minimum" => number >= rule.GetDecimal(),
        "maximum" => number <= rule.GetDecimal(),
        "exclusiveMinimum" => number > rule.GetDecimal(),
        "exclusiveMaximum" => number < rule.GetDecimal(),
        "multipleOf" => number % rule.GetDecimal() == 0,
        "format" when rule.ValueEquals("int32") => number is >= int.MinValue and <= int.MaxValue,
        _ => true,
    };

    private static bool Text(string keyword, JsonElement rule, string text) => keyword switch
    {
        "minLength" => text.EnumerateRunes().Count() >= rule.GetInt64(),
        "maxLength" => text.EnumerateRunes().Count() <= rule.GetInt64(),
        "pattern" => Regex.IsMatch(ByCodePoints(text), rule.GetString()!.Replace("\\s", WhiteSpace, StringComparison.Ordinal), RegexOptions.ECMAScript),
        "format" => !s_formats.TryGetValue(rule.GetString()!, out var format) || format(text),
        _ => true,
    };

    /// <summary>.NET's engine counts UTF-16 units; patterns here count code points.</summary>
    private static string ByCodePoints(string text) => string.Concat(text.EnumerateRunes().Select(rune => rune.IsBmp ? (char)rune.Value : '\uE000'));

    private static bool Array(string keyword, JsonElement rule, JsonElement schema, JsonElement[] items, JsonElement root)
    {
        var prefix = schema.TryGetProperty("prefixItems", out var places) ? places.GetArrayLength()
            : schema.TryGetProperty("items", out var old) && old.ValueKind == JsonValueKind.Array ? old.GetArrayLength() : 0;
        return keyword switch
        {
            "minItems" => items.Length >= rule.GetInt64(),
            "maxItems" => items.Length <= rule.GetInt64(),
            "uniqueItems" => !rule.GetBoolean() || items.Select((item, i) => items.Take(i).All(other => !JsonElement.DeepEquals(item, other))).All(unique => unique),
            "prefixItems" => items.Take(prefix).Select((item, i) => Holds(rule[i], item, root)).All(holds => holds),
            "items" when rule.ValueKind == JsonValueKind.Array => items.Take(prefix).Select((item, i) => Holds(rule[i], item, root)).All(holds => holds),
            "items" or "additionalItems" => items.Skip(prefix).All(item => Holds(rule, item, root)),
            _ => true,
        };
    }

    private static bool Object(string keyword, JsonElement rule, JsonElement schema, Dictionary<string, JsonElement> members, JsonElement root)
    {
        return keyword switch
        {
            "required" => rule.EnumerateArray().All(name => members.ContainsKey(name.GetString()!)),
            "minProperties" => members.Count >= rule.GetInt64(),
            "maxProperties" => members.Count <= rule.GetInt64(),
            "properties" => rule.EnumerateObject().All(property => !members.TryGetValue(property.Name, out var value) || Holds(property.Value, value, root)),
            "propertyNames" => members.Keys.All(name => Holds(rule, JsonSerializer.SerializeToElement(name), root)),
            "patternProperties" => rule.EnumerateObject().All(pattern => members.Where(member => Matches(pattern.Name, member.Key)).All(member => Holds(pattern.Value, member.Value, root))),
            "additionalProperties" => members.Where(member => !Listed(schema, member.Key)).All(member => Holds(rule, member.Value, root)),
            _ => true,
        };

        static bool Matches(string pattern, string name) => Regex.IsMatch(name, pattern, RegexOptions.ECMAScript);
        static bool Listed(JsonElement schema, string name) => (schema.TryGetProperty("properties", out var own) && own.TryGetProperty(name, out _))
            || (schema.TryGetProperty("patternProperties", out var patterns) && patterns.EnumerateObject().Any(pattern => Matches(pattern.Name, name)));
    }

    private static bool IsType(string type, JsonElement value) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number && decimal.Parse(value.GetRawText(), System.Globalization.NumberStyles.Float) % 1 == 0,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        _ => value.ValueKind == JsonValueKind.Null,
    };

    private static JsonElement Resolve(JsonElement root, string reference)
    {
        if (reference == "#here") return root.GetProperty("$defs").GetProperty("x");
        return Uri.UnescapeDataString(reference).Split('/').Skip(1).Aggregate(root, (at, name) => at.GetProperty(name.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)));
    }
}
