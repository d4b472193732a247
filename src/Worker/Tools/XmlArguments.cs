using System.Text.Json;
using FinerCut.Worker.Grammars;

namespace FinerCut.Worker.Tools;

/// <summary>Arguments as &lt;parameter=key&gt; elements: strings as plain text, everything else as JSON.</summary>
internal sealed class XmlArguments(GrammarBuilder builder, List<SchemaRefusedException> loosened)
{
    private const string Close = "</parameter>";

    public Expr Of(ToolDefinition tool, string path)
    {
        if (tool.Parameters is not { } schema || !schema.TryGetProperty("properties", out var properties) || properties.ValueKind != JsonValueKind.Object)
            return Expr.Many(Expr.Join(Expr.Text("<parameter="), Expr.Many(Expr.Chars(CharSet.Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'))), 1), Expr.Text(">\n"), Text()));

        var required = schema.TryGetProperty("required", out var names) && names.ValueKind == JsonValueKind.Array
            ? names.EnumerateArray().Where(name => name.ValueKind == JsonValueKind.String).Select(name => name.GetString()).ToHashSet()
            : [];
        var all = new List<Expr>();
        foreach (var property in properties.EnumerateObject())
        {
            var parameter = Expr.Join(Expr.Text($"<parameter={property.Name}>\n"), Value(tool, schema, property, path));
            all.Add(required.Contains(property.Name) ? parameter : Expr.Optional(builder.Rules.Add(property.Name, parameter)));
        }

        return Expr.Join(all);
    }

    private Expr Value(ToolDefinition tool, JsonElement schema, JsonProperty property, string path)
    {
        if (property.Value.ValueKind == JsonValueKind.Object && property.Value.TryGetProperty("type", out var type)
            && type.ValueKind == JsonValueKind.String && type.ValueEquals("string"))
        {
            return property.Value.TryGetProperty("enum", out var values) && values.ValueKind == JsonValueKind.Array
                ? Expr.Join(
                    Expr.Either(values.EnumerateArray().Where(value => value.ValueKind == JsonValueKind.String).Select(value => Expr.Text(value.GetString()!)).ToList()),
                    Expr.Text("\n" + Close + "\n"))
                : Text();
        }

        var at = SchemaPath.Member(path + ".properties", property.Name);
        try
        {
            // References point into the whole schema.
            var source = new SchemaSource(schema, path);
            var rules = new SchemaRules(builder.Rules, builder.Languages, GrammarLimits.Default);
            return Expr.Join(rules.Value([source.Node(property.Value, at)], property.Name), Expr.Text("\n" + Close + "\n"));
        }
        catch (SchemaRefusedException e) when (!tool.IsStrict)
        {
            loosened.Add(e);
        }
        catch (GrammarTooLargeException e)
        {
            var refused = new SchemaRefusedException(at, $"is too large: {e.Message}.");
            if (tool.IsStrict) throw refused;
            loosened.Add(refused);
        }

        return Expr.Join(JsonRules.Value(builder.Rules), Expr.Text("\n" + Close + "\n"));
    }

    private Expr Text() => builder.Rules.Once("parameter-text", () => Expr.Join(ReasoningGrammar.UpTo(builder, Close, "parameter-text"), Expr.Text("\n")));
}
