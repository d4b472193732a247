using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.Grammars;

namespace FinerCut.Tests.Grammars;

/// <summary>Random schemas: whatever a grammar writes holds against its schema, by an independent validator.</summary>
public class RandomSchemaTests
{
    [Fact]
    public void What_a_grammar_writes_holds()
    {
        var made = 0;
        for (var seed = 0; seed < 600; seed++)
        {
            var random = new Random(seed);
            var schema = JsonSerializer.SerializeToElement(Schema(random, 3));
            string text;
            try
            {
                text = GrammarFromSchema.Convert(schema);
            }
            catch (SchemaRefusedException)
            {
                continue;
            }

            made++;
            var grammar = Gbnf.Parse(text);
            for (var i = 0; i < 15; i++)
            {
                var sample = grammar.Sample(random, 120);
                using var document = JsonDocument.Parse(sample);
                Assert.True(SchemaOracle.Holds(schema, document.RootElement), $"seed {seed}: {sample}\n{schema}\n{text}");
                Assert.True(grammar.Accepts(sample), $"seed {seed}: {sample}\n{text}");
            }
        }

        Assert.True(made > 250, $"only {made} of 600 schemas made a grammar");
    }

    /// <summary>The other way: numbers, strings and combinations of a small world are let through exactly where they hold.</summary>
    [Fact]
    public void What_holds_is_let_through()
    {
        string[] world = ["0", "1", "-1", "7", "15", "100", "0.5", "-2.25", "1.75", "\"\"", "\"a\"", "\"ab\"", "\"zzz\"", "\"b1\"", "null", "true", "false"];
        for (var seed = 0; seed < 600; seed++)
        {
            var random = new Random(seed);
            var schema = JsonSerializer.SerializeToElement(Scalar(random, 2));
            string? text = null;
            Gbnf? grammar = null;
            try
            {
                text = GrammarFromSchema.Convert(schema);
                grammar = Gbnf.Parse(text);
            }
            catch (SchemaRefusedException e) when (e.Reason.Contains("lets no document through", StringComparison.Ordinal))
            {
            }
            catch (SchemaRefusedException)
            {
                continue;
            }

            foreach (var value in world)
            {
                using var document = JsonDocument.Parse(value);
                var holds = SchemaOracle.Holds(schema, document.RootElement);
                Assert.True(holds == (grammar?.Accepts(value) ?? false), $"seed {seed}: {value} {(holds ? "holds" : "does not hold")}\n{schema}\n{text}");
            }
        }
    }

    private static JsonObject Schema(Random random, int depth)
    {
        var kind = random.Next(depth > 0 ? 9 : 5);
        switch (kind)
        {
            case <= 4:
                return Scalar(random, depth);
            case 5:
            {
                var array = new JsonObject { ["type"] = "array", ["items"] = Schema(random, depth - 1) };
                if (random.Next(2) == 0) array["minItems"] = random.Next(3);
                if (random.Next(2) == 0) array["maxItems"] = random.Next(2, 5);
                if (random.Next(3) == 0) array["prefixItems"] = new JsonArray(Schema(random, depth - 1), Schema(random, depth - 1));
                return array;
            }

            case 6:
                return new JsonObject { [random.Next(3) > 0 ? "anyOf" : "oneOf"] = new JsonArray(Schema(random, depth - 1), Schema(random, depth - 1)) };
            case 7:
                return new JsonObject { ["allOf"] = new JsonArray(Object(random, depth - 1), Object(random, depth - 1)) };
            default:
                return Object(random, depth);
        }
    }

    private static JsonObject Object(Random random, int depth)
    {
        var properties = new JsonObject();
        var required = new JsonArray();
        foreach (var name in new[] { "a", "b", "ab", "é\"" })
        {
            if (random.Next(2) == 0) properties[name] = Schema(random, Math.Max(0, depth - 1));
            if (random.Next(4) == 0) required.Add(name);
        }

        var schema = new JsonObject { ["type"] = "object" };
        if (properties.Count > 0) schema["properties"] = properties;
        if (required.Count > 0) schema["required"] = required;
        switch (random.Next(6))
        {
            case 0: schema["additionalProperties"] = false; break;
            case 1: schema["additionalProperties"] = Schema(random, 0); break;
            case 2: schema["patternProperties"] = new JsonObject { ["^a"] = Schema(random, 0) }; break;
            case 3: schema["propertyNames"] = new JsonObject { ["maxLength"] = 2 }; break;
        }

        return schema;
    }

    private static JsonObject Scalar(Random random, int depth)
    {
        switch (random.Next(depth > 0 ? 8 : 6))
        {
            case 0:
                return new JsonObject { ["enum"] = new JsonArray([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Value(random))]) };
            case 1 or 2:
            {
                var number = new JsonObject { ["type"] = random.Next(2) == 0 ? "integer" : "number" };
                if (random.Next(2) == 0) number[random.Next(2) == 0 ? "minimum" : "exclusiveMinimum"] = Bound(random);
                if (random.Next(2) == 0) number[random.Next(2) == 0 ? "maximum" : "exclusiveMaximum"] = Bound(random);
                if (random.Next(4) == 0) number["multipleOf"] = new[] { 0.25m, 0.5m, 1m, 3m, 7m }[random.Next(5)];
                return number;
            }

            case 3 or 4:
            {
                var text = new JsonObject { ["type"] = "string" };
                if (random.Next(2) == 0) text["minLength"] = random.Next(3);
                if (random.Next(2) == 0) text["maxLength"] = random.Next(1, 5);
                if (random.Next(2) == 0) text["pattern"] = new[] { "^[a-z]*$", "a", "^a|b$", "^.{2,3}$", "[^a]$", "^(?!z)", "^(ab|b1)?$" }[random.Next(7)];
                return text;
            }

            case 5:
                return new JsonObject { ["type"] = new JsonArray("boolean", "null", random.Next(2) == 0 ? "string" : "integer") };
            case 6:
                return new JsonObject { ["anyOf"] = new JsonArray(Scalar(random, depth - 1), Scalar(random, depth - 1)) };
            default:
                return new JsonObject { ["allOf"] = new JsonArray(Scalar(random, depth - 1), Scalar(random, depth - 1)) };
        }
    }

    private static JsonNode? Value(Random random) => random.Next(5) switch
    {
        0 => null,
        1 => JsonValue.Create(random.Next(2) == 0),
        2 => JsonValue.Create(random.Next(-2, 16)),
        3 => JsonValue.Create(new[] { "", "a", "ab", "zzz" }[random.Next(4)]),
        _ => new JsonObject { ["a"] = random.Next(3) },
    };

    private static decimal Bound(Random random) => random.Next(3) switch { 0 => random.Next(-20, 20), 1 => random.Next(-400, 400) / 100m, _ => random.Next(-200, 2000) };
}
