using System.Diagnostics;
using System.Text;
using System.Text.Json;
using FinerCut.Worker.Grammars;

namespace FinerCut.Tests.Grammars;

public class SchemaRefusalTests
{
    [Theory]
    [InlineData("{\"properties\":{\"a\":{\"if\":{}}}}", "s.properties.a.if")]
    [InlineData("{\"items\":{\"minLenght\":3}}", "s.items.minLenght")]
    [InlineData("{\"properties\":{\"a b\":{\"contains\":{}}}}", "s.properties['a b'].contains")]
    [InlineData("{\"type\":\"array\",\"uniqueItems\":true}", "s.uniqueItems")]
    [InlineData("{\"properties\":{\"a\":{\"type\":\"strin\"}}}", "s.properties.a.type")]
    [InlineData("{\"type\":[]}", "s.type")]
    [InlineData("{\"enum\":[]}", "s.enum")]
    [InlineData("{\"anyOf\":[]}", "s.anyOf")]
    [InlineData("{\"anyOf\":[{},3]}", "s.anyOf")]
    [InlineData("{\"required\":[1]}", "s.required")]
    [InlineData("{\"minLength\":-1}", "s.minLength")]
    [InlineData("{\"minItems\":1.5}", "s.minItems")]
    [InlineData("{\"multipleOf\":0}", "s.multipleOf")]
    [InlineData("{\"exclusiveMinimum\":true}", "s.exclusiveMinimum")]
    [InlineData("{\"type\":\"string\",\"format\":\"iban\"}", "s.format")]
    [InlineData("{\"type\":\"string\",\"maxLength\":1000001}", "s")]
    [InlineData("{\"type\":\"array\",\"minItems\":99999999}", "s.minItems")]
    [InlineData("{\"$ref\":\"other.json#/a\"}", "s.$ref")]
    [InlineData("{\"$ref\":\"#/nowhere\"}", "s.$ref")]
    [InlineData("{\"$ref\":\"#nowhere\"}", "s.$ref")]
    [InlineData("{\"$ref\":\"#\"}", "s")]
    [InlineData("{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/a\"}]}}}", "s.$defs.a")]
    [InlineData("{\"not\":{\"minimum\":3}}", "s.not")]
    [InlineData("{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"string\",\"maxLength\":3}]}", "s.oneOf")]
    [InlineData("{\"oneOf\":[{\"type\":\"number\"},{\"type\":\"integer\"}]}", "s.oneOf")]
    [InlineData("{\"oneOf\":[{\"required\":[\"a\"]},{\"type\":\"string\"}]}", "s.oneOf")]
    [InlineData("{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}]}", "s.oneOf")]
    [InlineData("{\"type\":\"object\",\"minProperties\":2}", "s.minProperties")]
    [InlineData("{\"properties\":{\"a\":{},\"b\":{}},\"maxProperties\":1}", "s.maxProperties")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"(a\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"a)\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"[a\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"\\\\bword\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"(a)\\\\1\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"\\\\p{L}\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"a(?=b)\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"(?<=b)a\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"(?i)a\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"a^b\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"(a$)b\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"a**\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"*a\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"a{3,2}\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"a{99999999999}\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"[z-a]\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"\\\\\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"pattern\":\"\\\\ud83d\"}", "s.pattern")]
    [InlineData("{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}", "s")]
    [InlineData("{\"type\":\"integer\",\"minimum\":3,\"maximum\":2}", "s")]
    [InlineData("{\"type\":\"integer\",\"exclusiveMinimum\":3,\"exclusiveMaximum\":4}", "s")]
    [InlineData("{\"allOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}", "s")]
    [InlineData("{\"type\":\"string\",\"const\":1}", "s")]
    [InlineData("false", "s")]
    [InlineData("3", "s")]
    [InlineData("{\"type\":\"object\",\"required\":[\"a\"],\"additionalProperties\":false}", "s")]
    [InlineData("{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}", "s")]
    [InlineData("{\"const\":\"\\ud83d\"}", "s.const")]
    [InlineData("{\"properties\":{\"\\ud83d\":{}}}", "s.properties")]
    public void Is_refused_with_its_path(string schema, string path) =>
        Assert.Equal(path, Assert.Throws<SchemaRefusedException>(() => Convert(schema)).Path);

    [Fact]
    public void Notes_demand_nothing() =>
        Convert("{\"$schema\":\"x\",\"$id\":\"y\",\"title\":\"t\",\"description\":\"d\",\"default\":1,\"examples\":[1],\"deprecated\":true,\"x-ui\":{},\"type\":\"integer\"}");

    /// <summary>Small schemas that would multiply out without end: refused, or made, but never endless.</summary>
    [Fact]
    public void Hostile_schemas_end_soon()
    {
        var refs = new StringBuilder("{\"$ref\":\"#/$defs/a0\",\"$defs\":{");
        for (var i = 0; i < 40; i++) refs.Append($"\"a{i}\":{{\"anyOf\":[{{\"$ref\":\"#/$defs/a{i + 1}\"}},{{\"$ref\":\"#/$defs/a{i + 1}\"}}]}},");
        Ends(refs + "\"a40\":{\"type\":\"null\"}}}");

        var all = string.Join(',', Enumerable.Range(0, 12).Select(i => $"{{\"anyOf\":[{{\"minimum\":{i}}},{{\"maximum\":{i}}},{{\"multipleOf\":{i + 1}}}]}}"));
        Ends($"{{\"type\":\"integer\",\"allOf\":[{all}]}}");
        Ends("{\"type\":\"string\",\"pattern\":\"^((((a{0,5000}){0,5000}){0,5000}){0,5000})$\"}");
        Ends("{\"type\":\"string\",\"pattern\":\"^(a|b)*a(a|b){40}$\"}");
        Ends("{\"type\":\"string\",\"pattern\":\"" + string.Concat(Enumerable.Repeat("a?", 2000)) + "\"}");
        Ends("{\"type\":\"string\",\"pattern\":\"" + new string('(', 1000) + "a" + new string(')', 1000) + "\"}");
        Ends("{\"type\":\"string\",\"allOf\":[" + string.Join(',', Enumerable.Range(1, 8).Select(i => $"{{\"pattern\":\"^(.{{{i * 7 + 1}}})*$\"}}")) + "]}");
        Ends("{\"type\":\"number\",\"allOf\":[" + string.Join(',', Enumerable.Range(0, 8).Select(i => $"{{\"multipleOf\":{1999 - i * 2}}}")) + "]}");
        var deep = new StringBuilder("{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
        for (var i = 0; i < 5000; i++) deep.Append($"\"d{i}\":{{\"type\":\"array\",\"items\":{{\"$ref\":\"#/$defs/d{i + 1}\"}}}},");
        Ends(deep + "\"d5000\":{}}}");
        var chain = new StringBuilder("{\"$ref\":\"#/$defs/c0\",\"$defs\":{");
        for (var i = 0; i < 500; i++) chain.Append($"\"c{i}\":{{\"$ref\":\"#/$defs/c{i + 1}\"}},");
        Ends(chain + "\"c500\":{}}}");
        Ends("{\"type\":\"object\",\"properties\":{" + string.Join(',', Enumerable.Range(0, 3000).Select(i => $"\"p{i}\":{{}}")) + "}}");
        Ends("{\"type\":\"object\",\"additionalProperties\":true,\"properties\":{" + string.Join(',', Enumerable.Range(0, 1500).Select(i => $"\"prop{i * 7919}\":{{}}")) + "}}");
        Ends("{\"enum\":[" + string.Join(',', Enumerable.Range(0, 50000)) + "]}");
    }

    /// <summary>Large, but what people have.</summary>
    [Fact]
    public void Large_schemas_are_taken()
    {
        Convert("{\"type\":\"object\",\"additionalProperties\":true,\"properties\":{" + string.Join(',', Enumerable.Range(0, 400).Select(i => $"\"property{i * 7919}\":{{\"type\":\"string\",\"format\":\"date-time\"}}")) + "}}");
        Convert("{\"enum\":[" + string.Join(',', Enumerable.Range(0, 5000).Select(i => $"\"value {i}\"")) + "]}");
        Convert("{\"type\":\"string\",\"pattern\":\"^[A-Z][a-z]{0,30}( [A-Z][a-z]{0,30}){0,2}$\",\"maxLength\":80}");
        Convert("{\"type\":\"string\",\"format\":\"uri\",\"maxLength\":200}");
        Convert("{\"type\":\"object\",\"properties\":{" + string.Join(',', Enumerable.Range(0, 200).Select(i => $"\"p{i}\":{{\"type\":\"number\",\"minimum\":{i},\"maximum\":{i * 3 + 1}}}")) + "}}");
    }

    private static void Ends(string schema)
    {
        var watch = Stopwatch.StartNew();
        try
        {
            Gbnf.Parse(Convert(schema));
        }
        catch (SchemaRefusedException)
        {
        }

        Assert.True(watch.Elapsed < TimeSpan.FromMinutes(2), $"{watch.Elapsed}: {schema[..Math.Min(200, schema.Length)]}");
        TestContext.Current.SendDiagnosticMessage($"{watch.Elapsed.TotalMilliseconds:F0} ms: {schema[..Math.Min(60, schema.Length)]}");
    }

    private static string Convert(string schema)
    {
        using var document = JsonDocument.Parse(schema);
        return GrammarFromSchema.Convert(document.RootElement, "s");
    }
}
