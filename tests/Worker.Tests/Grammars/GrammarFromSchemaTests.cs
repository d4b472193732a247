using System.Text.Json;
using FinerCut.Worker.Grammars;

namespace FinerCut.Tests.Grammars;

/// <summary>Feature by feature: documents that must get through and documents that must not. Documents are separated by blanks between « ».</summary>
public class GrammarFromSchemaTests
{
    [Theory]
    [InlineData("true", "1 \"a\" {} [] null true [1,2,{\"a\":[]}] -0.5e+10 \"\\u00e9\\n\" \"\\ud83d\\ude00\"", "01 +1 .5 1. tru \"\n\" \"\\ud83d\" \"\\x\" {a:1} [1,] {\"a\":1,}")]
    [InlineData("{\"type\":\"object\"}", "{} {\"a\":1} {\"a\":{\"b\":[1]},\"c\":null}", "[] 1 null")]
    [InlineData("{\"type\":\"boolean\"}", "true false", "null 0 \"true\"")]
    [InlineData("{\"type\":\"null\"}", "null", "0 \"\"")]
    [InlineData("{\"type\":[\"string\",\"null\"]}", "\"\" \"a\" null", "1 true")]
    [InlineData("{\"type\":\"integer\"}", "0 -1 123456789012345678", "-0 1.5 1e5 00 1234567890123456789")]
    [InlineData("{\"type\":\"number\"}", "0 -1.25 1e10 2E-3", "1e100 - 1.")]
    [InlineData("{\"enum\":[1,\"a b\",null,{\"x\":[1]}]}", "1 \"a b\" null {\"x\":[1]}", "2 \"a\" {\"x\":[2]}")]
    [InlineData("{\"const\":\"é\\\"\\\\\\n\"}", "\"é\\\"\\\\\\n\"", "\"é\"")]
    [InlineData("{\"type\":\"string\",\"enum\":[\"a\",1,null]}", "\"a\"", "1 null")]
    [InlineData("{\"type\":\"integer\",\"enum\":[1,2.5,7],\"maximum\":5}", "1", "7 2.5")]
    [InlineData("{\"type\":\"string\",\"nullable\":true}", "\"a\" null", "1")]
    public void Plain_values(string schema, string accepted, string refused) => Check(schema, accepted, refused);

    [Theory]
    [InlineData("{\"minimum\":3,\"maximum\":17}", "3 9 10 17", "2 18 1 0 -3 170 03")]
    [InlineData("{\"minimum\":-12,\"maximum\":105}", "-12 -9 0 7 99 100 105", "-13 -0 106 110 200 -100")]
    [InlineData("{\"exclusiveMinimum\":0}", "1 10 999999", "0 -1")]
    [InlineData("{\"exclusiveMaximum\":0}", "-1 -10", "0 1 -0")]
    [InlineData("{\"minimum\":0.5,\"maximum\":2.5}", "1 2", "0 3")]
    [InlineData("{\"minimum\":1e3,\"maximum\":2000}", "1000 1999 2000", "999 2001")]
    [InlineData("{\"maximum\":-7}", "-7 -8 -10 -70", "-6 0 7 -1")]
    [InlineData("{\"minimum\":5,\"maximum\":5}", "5", "4 6 55")]
    [InlineData("{\"multipleOf\":15,\"minimum\":0}", "0 15 30 300", "1 5 10 16 301")]
    [InlineData("{\"multipleOf\":1}", "0 -15", "1.5")]
    [InlineData("{\"format\":\"int32\"}", "2147483647 -2147483648 0", "2147483648 -2147483649")]
    [InlineData("{\"minimum\":9007199254740993,\"maximum\":123456789012345678901}", "9007199254740993 123456789012345678901", "9007199254740992 123456789012345678902")]
    public void Integers(string keywords, string accepted, string refused) => Check("{\"type\":\"integer\"," + keywords[1..], accepted, refused);

    [Theory]
    [InlineData("{\"minimum\":0,\"maximum\":1}", "0 1 0.5 0.999 1.0 0.0 1.00", "1.1 -0.1 2 1.01 -0")]
    [InlineData("{\"exclusiveMinimum\":0,\"exclusiveMaximum\":1}", "0.5 0.01 0.99", "0 1 0.0 1.0 1.5")]
    [InlineData("{\"minimum\":-1.25,\"maximum\":2.5}", "-1.25 -1.2 -1 0 2.5 2.49 -1.250", "-1.26 -1.251 2.51 3 -2")]
    [InlineData("{\"minimum\":10.05}", "10.05 10.1 11 100 10.051", "10.04 10 9.99 1 -20")]
    [InlineData("{\"maximum\":10.05}", "10.05 10.04 10 -200.5 0", "10.06 10.051 11 100")]
    [InlineData("{\"multipleOf\":0.25,\"minimum\":0,\"maximum\":2}", "0 0.25 0.5 0.50 1.75 2", "0.1 0.3 2.25")]
    [InlineData("{\"multipleOf\":0.01,\"minimum\":0}", "19.99 0.1 5", "19.999")]
    public void Numbers(string keywords, string accepted, string refused) => Check("{\"type\":\"number\"," + keywords[1..], accepted, refused);

    [Theory]
    [InlineData("{\"minLength\":2,\"maxLength\":3}", "\"ab\" \"abc\" \"é😀\" \"\\n\\u0041\" \"\\ud83d\\ude00a\"", "\"\" \"a\" \"abcd\" \"\\ud83d\\ude00\"")]
    [InlineData("{\"pattern\":\"^[a-z]{2,4}$\"}", "\"ab\" \"abcd\"", "\"a\" \"abcde\" \"aB\" \"ab\\n\"")]
    [InlineData("{\"pattern\":\"^a|b$\"}", "\"a\" \"ax\" \"b\" \"xb\"", "\"xa\" \"bx\"")]
    [InlineData("{\"pattern\":\"b+\"}", "\"b\" \"abba\" \"\\\"b\"", "\"a\" \"\"")]
    [InlineData("{\"pattern\":\"^(\\\\([0-9]{3}\\\\))?[0-9]{3}-[0-9]{4}$\"}", "\"555-1234\" \"(123)555-1234\"", "\"5551234\" \"(123\"")]
    [InlineData("{\"pattern\":\"^(?=.*[0-9])(?=.*[a-z]).{3,}$\"}", "\"a1b\" \"1aa\"", "\"aaa\" \"111\" \"a1\"")]
    [InlineData("{\"pattern\":\"^(?!test).*$\"}", "\"tes\" \"best\" \"\"", "\"test\" \"test1\"")]
    [InlineData("{\"pattern\":\"^[^\\\"a]+$\"}", "\"b\" \"\\n\" \"\\\\\"", "\"a\" \"\\\"\" \"\"")]
    [InlineData("{\"pattern\":\"^\\\\w+\\\\s\\\\d$\",\"maxLength\":4}", "\"a\\t1\" \"ab\\n2\"", "\"abc\\t1\"")]
    [InlineData("{\"pattern\":\"^\\\\u00e9\\\\x41\\\\/$\"}", "\"éA/\"", "\"eA/\"")]
    [InlineData("{\"pattern\":\"^x*$\",\"minLength\":2,\"maxLength\":3}", "\"xx\" \"xxx\"", "\"x\" \"xxxx\"")]
    [InlineData("{\"format\":\"date\"}", "\"2024-02-29\" \"2000-02-29\" \"2023-12-31\"", "\"2023-02-29\" \"1900-02-29\" \"2023-13-01\" \"2023-04-31\"")]
    [InlineData("{\"format\":\"time\"}", "\"23:59:59Z\" \"00:00:00.123+01:30\"", "\"24:00:00Z\" \"12:00:00\" \"12:60:00Z\"")]
    [InlineData("{\"format\":\"date-time\"}", "\"2024-01-31T12:00:00Z\"", "\"2024-01-31\" \"2024-01-31t12:00:00Z\"")]
    [InlineData("{\"format\":\"uuid\"}", "\"123e4567-e89b-12d3-a456-426614174000\"", "\"123e4567e89b12d3a456426614174000\"")]
    [InlineData("{\"format\":\"ipv4\"}", "\"0.0.0.0\" \"255.249.199.99\"", "\"256.1.1.1\" \"1.1.1\" \"01.1.1.1\"")]
    [InlineData("{\"format\":\"email\"}", "\"a.b+c@d-e.org\"", "\"a@b\" \"a..b@c.de\" \"@c.de\"")]
    [InlineData("{\"format\":\"uri\"}", "\"https://a.org/x?y=1\" \"http://localhost:8080\"", "\"a.org\" \"http://\"")]
    [InlineData("{\"format\":\"duration\"}", "\"P1Y2M3D\" \"PT5M\" \"P2W\" \"P1DT12H\"", "\"P\" \"P1D2M\" \"PT\"")]
    public void Strings(string keywords, string accepted, string refused) => Check("{\"type\":\"string\"," + keywords[1..], accepted, refused);

    [Theory]
    [InlineData("{\"items\":{\"type\":\"integer\"}}", "[] [1] [1,2] [\n1,\n2]", "[\"a\"] [1,] 1")]
    [InlineData("{\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}", "[1,2] [1,2,3]", "[] [1] [1,2,3,4]")]
    [InlineData("{\"maxItems\":0}", "[]", "[1]")]
    [InlineData("{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}],\"items\":{\"type\":\"null\"}}", "[] [1] [1,\"a\"] [1,\"a\",null,null]", "[\"a\"] [1,null] [1,\"a\",1]")]
    [InlineData("{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}],\"items\":false,\"minItems\":2}", "[1,\"a\"]", "[] [1] [1,\"a\",null]")]
    [InlineData("{\"items\":[{\"type\":\"integer\"}],\"additionalItems\":{\"type\":\"boolean\"}}", "[1] [1,true]", "[true] [1,1]")]
    [InlineData("{\"prefixItems\":[{\"const\":1}],\"minItems\":3}", "[1,2,{}] [1,2,3,4]", "[1] [1,2]")]
    [InlineData("{\"items\":{\"const\":1},\"minItems\":1200,\"maxItems\":1200}", "", "[] [1]")]
    public void Arrays(string keywords, string accepted, string refused) => Check("{\"type\":\"array\"," + keywords[1..], accepted, refused);

    [Theory]
    [InlineData("{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"string\"}},\"required\":[\"a\"]}", "{\"a\":1} {\"a\":1,\"b\":\"x\"} {\"a\":\n1}", "{} {\"b\":\"x\"} {\"a\":\"x\"} {\"b\":\"x\",\"a\":1} {\"a\":1,\"c\":1}")]
    [InlineData("{\"properties\":{\"a\":{\"const\":1},\"b\":{\"const\":2},\"c\":{\"const\":3}},\"required\":[\"b\"]}", "{\"b\":2} {\"a\":1,\"b\":2} {\"b\":2,\"c\":3} {\"a\":1,\"b\":2,\"c\":3}", "{} {\"a\":1} {\"a\":1,\"c\":3} {\"b\":2,} {,\"b\":2}")]
    [InlineData("{\"properties\":{\"a\":{\"const\":1},\"b\":{\"const\":2}}}", "{} {\"a\":1} {\"b\":2} {\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1} {\"a\":1,\"a\":1}")]
    [InlineData("{\"properties\":{\"a\":{\"const\":1}},\"additionalProperties\":{\"type\":\"boolean\"}}", "{} {\"a\":1} {\"b\":true} {\"a\":1,\"ab\":true,\"\":false}", "{\"a\":true} {\"b\":1} {\"b\":true,\"a\":1}")]
    [InlineData("{\"properties\":{\"a\":{\"const\":1}},\"additionalProperties\":true,\"required\":[\"a\"]}", "{\"a\":1} {\"a\":1,\"b\":[2]}", "{\"b\":1} {\"a\":1,\"a\":2}")]
    [InlineData("{\"additionalProperties\":{\"type\":\"integer\"}}", "{} {\"x\":1,\"y\":2}", "{\"x\":\"1\"}")]
    [InlineData("{\"additionalProperties\":false}", "{} {\n}", "{\"x\":1}")]
    [InlineData("{\"required\":[\"a\"]}", "{\"a\":1}", "{} {\"b\":1}")]
    [InlineData("{\"patternProperties\":{\"^x-\":{\"type\":\"integer\"}},\"additionalProperties\":false}", "{} {\"x-a\":1}", "{\"y\":1} {\"x-a\":\"1\"}")]
    [InlineData("{\"patternProperties\":{\"^x\":{\"type\":\"integer\"}},\"additionalProperties\":{\"type\":\"null\"}}", "{\"xa\":1,\"b\":null}", "{\"xa\":null} {\"b\":1}")]
    [InlineData("{\"propertyNames\":{\"pattern\":\"^[a-z]$\"},\"additionalProperties\":{\"const\":1}}", "{\"a\":1,\"b\":1}", "{\"ab\":1} {\"A\":1}")]
    [InlineData("{\"minProperties\":1,\"maxProperties\":2,\"additionalProperties\":{\"const\":1}}", "{\"a\":1} {\"a\":1,\"b\":1}", "{} {\"a\":1,\"b\":1,\"c\":1}")]
    [InlineData("{\"properties\":{\"a\\\"b\\\\é\":{\"const\":1}}}", "{\"a\\\"b\\\\é\":1}", "{\"ab\":1}")]
    [InlineData("{\"properties\":{\"a'b\":{\"const\":1},\"a\\\\'b\":{\"const\":2}}}", "{\"a'b\":1} {\"a\\\\'b\":2}", "{\"a'b\":2}")]
    [InlineData("{\"properties\":{\"a\":false,\"b\":{\"const\":2}}}", "{} {\"b\":2}", "{\"a\":1}")]
    [InlineData("{\"properties\":{\"a\":{\"const\":1}},\"unevaluatedProperties\":false}", "{} {\"a\":1}", "{\"b\":1}")]
    public void Objects(string keywords, string accepted, string refused) => Check("{\"type\":\"object\"," + keywords[1..], accepted, refused);

    [Theory]
    [InlineData("{\"anyOf\":[{\"type\":\"integer\"},{\"const\":\"a\"}]}", "1 \"a\"", "\"b\" null")]
    [InlineData("{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}", "1 \"a\"", "null")]
    [InlineData("{\"oneOf\":[{\"properties\":{\"k\":{\"const\":\"x\"},\"v\":{\"type\":\"integer\"}},\"required\":[\"k\",\"v\"]},{\"properties\":{\"k\":{\"const\":\"y\"}},\"required\":[\"k\"]}],\"type\":\"object\"}", "{\"k\":\"x\",\"v\":1} {\"k\":\"y\"}", "{\"k\":\"x\"} {\"k\":\"z\"}")]
    [InlineData("{\"oneOf\":[{\"type\":\"integer\",\"maximum\":3},{\"type\":\"integer\",\"minimum\":5}]}", "3 5", "4")]
    [InlineData("{\"oneOf\":[{\"type\":\"string\",\"pattern\":\"^a\"},{\"type\":\"string\",\"pattern\":\"^b\"}]}", "\"a\" \"bc\"", "\"c\"")]
    [InlineData("{\"type\":\"object\",\"oneOf\":[{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},{\"properties\":{\"b\":{\"const\":2}},\"required\":[\"b\"]}]}", "{\"a\":1} {\"b\":2}", "{} {\"a\":1,\"b\":2}")]
    [InlineData("{\"allOf\":[{\"type\":\"integer\",\"minimum\":3},{\"maximum\":4}]}", "3 4", "2 5 \"a\"")]
    [InlineData("{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"]},{\"properties\":{\"b\":{\"const\":2},\"a\":{\"maximum\":1}}}],\"type\":\"object\"}", "{\"a\":1} {\"a\":0,\"b\":2}", "{\"a\":2} {\"b\":2}")]
    [InlineData("{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1},\"b\":{\"const\":2}},\"anyOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}]}", "{\"a\":1} {\"b\":2} {\"a\":1,\"b\":2}", "{}")]
    [InlineData("{\"allOf\":[{\"enum\":[1,2,3]},{\"enum\":[2,3,4]},{\"minimum\":3}]}", "3", "1 2 4")]
    [InlineData("{\"allOf\":[{\"pattern\":\"^a\"},{\"pattern\":\"z$\"},{\"maxLength\":3}],\"type\":\"string\"}", "\"az\" \"abz\"", "\"a\" \"abcz\"")]
    [InlineData("{\"type\":[\"integer\",\"string\",\"null\"],\"not\":{\"type\":\"null\"}}", "1 \"a\"", "null")]
    [InlineData("{\"enum\":[\"a\",\"b\",3],\"not\":{\"enum\":[\"b\"]}}", "\"a\" 3", "\"b\"")]
    [InlineData("{\"allOf\":[{\"anyOf\":[{\"const\":1},{\"const\":2}]},{\"anyOf\":[{\"const\":2},{\"const\":3}]}]}", "2", "1 3")]
    public void Combinations(string schema, string accepted, string refused) => Check(schema, accepted, refused);

    [Theory]
    [InlineData("{\"$ref\":\"#/$defs/n\",\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},\"next\":{\"$ref\":\"#/$defs/n\"}},\"required\":[\"v\"]}}}", "{\"v\":1} {\"v\":1,\"next\":{\"v\":2,\"next\":{\"v\":3}}}", "{} {\"v\":1,\"next\":{}}")]
    [InlineData("{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}]}", "1 [] [1,[2,[]]]", "\"a\" [null]")]
    [InlineData("{\"$ref\":\"#/definitions/a~1b%25\",\"definitions\":{\"a/b%\":{\"const\":1}}}", "1", "2")]
    [InlineData("{\"$ref\":\"#here\",\"$defs\":{\"x\":{\"$anchor\":\"here\",\"const\":1}}}", "1", "2")]
    [InlineData("{\"$ref\":\"#/$defs/x\",\"minimum\":2,\"$defs\":{\"x\":{\"type\":\"integer\",\"maximum\":3}}}", "2 3", "1 4")]
    [InlineData("{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1},\"loop\":{\"$ref\":\"#/$defs/endless\"}},\"$defs\":{\"endless\":{\"type\":\"object\",\"properties\":{\"x\":{\"$ref\":\"#/$defs/endless\"}},\"required\":[\"x\"]}}}", "{} {\"a\":1}", "{\"loop\":{}}")]
    public void References(string schema, string accepted, string refused) => Check(schema, accepted, refused);

    [Fact]
    public void Long_counts_are_exact()
    {
        var grammar = Gbnf.Parse(Convert("{\"type\":\"string\",\"minLength\":1234,\"maxLength\":4321}"));
        foreach (var (length, holds) in new[] { (1233, false), (1234, true), (1999, true), (4320, true), (4321, true), (4322, false) })
            Assert.Equal(holds, grammar.Accepts("\"" + new string('a', length) + "\""));
        var items = Gbnf.Parse(Convert("{\"type\":\"array\",\"items\":{\"const\":1},\"minItems\":1200,\"maxItems\":2500}"));
        foreach (var (count, holds) in new[] { (1199, false), (1200, true), (2500, true), (2501, false) })
            Assert.Equal(holds, items.Accepts("[" + string.Join(',', Enumerable.Repeat('1', count)) + "]"));
    }

    [Fact]
    public void Any_object_is_json_object()
    {
        var grammar = Gbnf.Parse(GrammarFromSchema.AnyObject);
        Assert.True(grammar.Accepts("{\"a\": [1, {\"b\": null}], \"c\": \"\\u00e9\"}"));
        Assert.True(grammar.Accepts("{\n  \"a\": 1\n}"));
        Assert.False(grammar.Accepts("[1]"));
    }

    [Fact]
    public void Same_schema_gives_the_same_text() =>
        Assert.Equal(Convert("{\"properties\":{\"a\":{\"pattern\":\"x\"}}}"), Convert("{\"properties\":{\"a\":{\"pattern\":\"x\"}}}"));

    private static void Check(string schema, string accepted, string refused)
    {
        var text = Convert(schema);
        var grammar = Gbnf.Parse(text);
        foreach (var document in Documents(accepted)) Assert.True(grammar.Accepts(document), $"{document} must get through\n{text}");
        foreach (var document in Documents(refused)) Assert.False(grammar.Accepts(document), $"{document} must not get through\n{text}");
        for (var seed = 0; seed < 20; seed++)
        {
            var sample = grammar.Sample(new Random(seed), 200);
            using var parsed = JsonDocument.Parse(sample);
            using var holds = JsonDocument.Parse(schema);
            Assert.True(SchemaOracle.Holds(holds.RootElement, parsed.RootElement), $"{sample} does not hold\n{text}");
        }
    }

    private static string[] Documents(string list) => list.Length == 0 ? [] : list.Split(' ').Aggregate(new List<string>(), (documents, part) =>
    {
        // A blank within quotation marks belongs to the document.
        if (documents.Count > 0 && documents[^1].Replace("\\\"", "", StringComparison.Ordinal).Count(c => c == '"') % 2 == 1) documents[^1] += " " + part;
        else documents.Add(part);
        return documents;
    }).ToArray();

    private static string Convert(string schema)
    {
        using var document = JsonDocument.Parse(schema);
        return GrammarFromSchema.Convert(document.RootElement);
    }
}
