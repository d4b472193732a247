using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace FinerCut.Worker.Grammars;

/// <summary>
/// Makes rules from schemas. What a rule lets through holds against its schema; of what holds, every value can be written, in at least one
/// spelling, except where <see cref="ObjectShape"/>, <see cref="SchemaCase"/> and <see cref="StringFormats"/> say that they narrow. Not
/// thread-safe.
/// </summary>
internal sealed class SchemaRules
{
    /// <summary>Matches nothing; the writer leaves out whatever needs it.</summary>
    public static readonly Expr Nothing = new Expr.Alt([]);

    private readonly Dictionary<string, Expr> _rules = new(StringComparer.Ordinal);
    private readonly SchemaCases _cases;
    private readonly InstanceCheck _instances;
    private readonly ScalarRules _scalars;

    public SchemaRules(GrammarRules rules, LanguageRules languages, GrammarLimits limits)
    {
        Rules = rules;
        Languages = languages;
        Limits = limits;
        _instances = new InstanceCheck(languages.Space);
        _scalars = new ScalarRules(rules, languages, limits);
        _cases = new SchemaCases(limits);
        var exclusion = new Exclusion(_cases, _instances, languages, limits);
        _cases.Found += exclusion.Check;
    }

    public GrammarRules Rules { get; }

    public LanguageRules Languages { get; }

    public GrammarLimits Limits { get; }

    /// <summary>Where the walk is, for errors that know no place.</summary>
    public string CurrentPath { get; private set; } = "";

    /// <summary>Any JSON value that holds against all of the schemas.</summary>
    public Expr Value(ImmutableArray<SchemaNode> schemas, string hint)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        schemas = [.. schemas.Where(schema => schema.IsObject || schema.IsNever).DistinctBy(schema => schema.Id).OrderBy(schema => schema.Id)];
        var key = "all:" + string.Join(',', schemas.Select(schema => schema.Id));
        if (_rules.TryGetValue(key, out var known)) return known;
        if (schemas.Length > 0) CurrentPath = schemas[^1].Path;
        var cases = _cases.Of(schemas);
        if (cases.Count == 0) return Nothing;
        if (cases.Count == 1) return _rules[key] = Case(cases[0], hint);
        var rule = Rules.Declare(hint);
        _rules[key] = rule;
        Rules.Define(rule, Expr.Either(cases.Select(one => Case(one, hint)).ToList()));
        return rule;
    }

    /// <summary>The strings that the schemas let through, as a language: for names of properties.</summary>
    public Language Names(SchemaNode schema)
    {
        var space = Languages.Space;
        return space.Either(_cases.Of([schema]).Select(nodes =>
        {
            var one = new SchemaCase(nodes);
            if (!one.IsFinite) return (one.Types & JsonTypes.String) == 0 ? space.None : StringShape.Of(one, space, Limits).Language(space);
            return space.Either(one.Values()
                .Where(value => value.ValueKind == System.Text.Json.JsonValueKind.String && nodes.All(node => _instances.HoldsItself(node, value)))
                .Select(value => space.Text(value.GetString()!)));
        }));
    }

    private Expr Case(ImmutableArray<SchemaNode> nodes, string hint)
    {
        if (nodes.All(node => IsNote(node))) return JsonRules.Value(Rules);
        var key = "case:" + string.Join(',', nodes.Select(node => node.Id));
        if (_rules.TryGetValue(key, out var known)) return known;
        var rule = Rules.Declare(hint);
        _rules[key] = rule;
        CurrentPath = nodes[^1].Path;
        var one = new SchemaCase(nodes);
        Rules.Define(rule, one.IsFinite ? Finite(one) : Expr.Either(ByType(one, hint).ToList()));
        return rule;
    }

    private Expr Finite(SchemaCase one) => Expr.Either(one.Values()
        .Where(value => (SchemaCase.TypeOf(value) & one.Types) != 0 && one.Nodes.All(node => _instances.HoldsItself(node, value)))
        .Select(value => Expr.Text(JsonSpelling.Value(value))));

    private IEnumerable<Expr> ByType(SchemaCase one, string hint)
    {
        if (one.Types.HasFlag(JsonTypes.Object)) yield return ObjectRules.Of(this, one, hint);
        if (one.Types.HasFlag(JsonTypes.Array)) yield return ArrayRules.Of(this, one, hint);
        if (one.Types.HasFlag(JsonTypes.String)) yield return _scalars.String(one, hint);
        if ((one.Types & JsonTypes.Number) != 0) yield return _scalars.Number(one, hint);
        if (one.Types.HasFlag(JsonTypes.Boolean)) yield return Expr.Text("true");
        if (one.Types.HasFlag(JsonTypes.Boolean)) yield return Expr.Text("false");
        if (one.Types.HasFlag(JsonTypes.Null)) yield return Expr.Text("null");
    }

    /// <summary>Whether a schema demands nothing of a value.</summary>
    private static bool IsNote(SchemaNode node) => node.Value.EnumerateObject().All(member => member.Name is
        "$ref" or "allOf" or "anyOf" or "oneOf" or "title" or "description" or "default" or "example" or "examples" or "$defs" or "definitions" or "$schema" or "$id"
        or "$comment" or "$anchor" or "deprecated" or "readOnly" or "writeOnly");
}
