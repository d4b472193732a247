using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.Grammars;

namespace FinerCut.Worker.Tools;

/// <summary>Grammar of the calls that a request allows, in a family's form. Not thread-safe.</summary>
internal sealed class CallForms
{
    private readonly ToolRequest _request;
    private readonly ToolFamily _family;
    private readonly Expr _space;
    private readonly Expr _lineBreak = Expr.Optional(Expr.Text("\n"));
    private readonly List<(ToolDefinition Tool, Expr Arguments)> _tools = [];

    public CallForms(ToolRequest request, ToolFamily family)
    {
        _request = request;
        _family = family;
        _space = JsonRules.Space(Builder.Rules);
        foreach (var tool in request.Callable) _tools.Add((tool, Arguments(tool)));
    }

    public GrammarBuilder Builder { get; } = new(GrammarLimits.Default);

    public List<SchemaRefusedException> Loosened { get; } = [];

    /// <summary>Calls and nothing else.</summary>
    public Expr Forced() => _family switch
    {
        ToolFamily.Hermes => Several(Tagged(Each(tool => Object(tool, "arguments"))), _lineBreak),
        ToolFamily.QwenXml => Several(Tagged(Each(Xml)), _lineBreak),
        ToolFamily.Llama3 => Each(tool => Object(tool, "parameters")),
        ToolFamily.MistralList => Expr.Join(Expr.Text("[TOOL_CALLS]"), List()),
        ToolFamily.MistralArgs => Several(Each(tool => Expr.Join(Expr.Text($"[TOOL_CALLS]{tool.Tool.Name}[ARGS]"), tool.Arguments)), Expr.Empty),
        ToolFamily.Functools => Expr.Join(Expr.Text("functools"), List()),
        ToolFamily.FunctionaryTags =>
            Several(Each(tool => Expr.Join(Expr.Text($"<function={tool.Tool.Name}>"), tool.Arguments, Expr.Text("</function>"))), _lineBreak),
        ToolFamily.FunctionaryRecipients => Several(Each(tool => Expr.Join(Expr.Text(tool.Tool.Name + "\n"), tool.Arguments)), Expr.Text(">>>")),
        _ => Generic(),
    };

    /// <summary>Text, calls, or text and then calls.</summary>
    public Expr Free()
    {
        var calls = Forced();
        switch (_family)
        {
            case ToolFamily.FunctionaryRecipients:
                return Expr.Either(
                    calls, Expr.Join(Expr.Text("all\n"), ReasoningGrammar.Without(Builder, ">>>", "text")),
                    Expr.Join(Expr.Text("all\n"), ReasoningGrammar.UpTo(Builder, ">>>", "text"), calls));
            case ToolFamily.Llama3:
                // Only an answer that begins with a brace is bound.
                var other = CharSet.Of(('{', '{'), (' ', ' '), ('\n', '\n'), ('\t', '\t'), ('\r', '\r')).Complement();
                return Expr.Either(calls, Expr.Empty, Expr.Join(Expr.Chars(other), Expr.Many(Expr.Chars(CharSet.Any))));
        }

        // The marker belongs to the text that ends with it, and the calls go on behind it.
        var marker = _family switch { ToolFamily.Functools => "functools[", ToolFamily.FunctionaryTags => "<function=", _ => _family.Markers()[0] };
        return Expr.Either(
            ReasoningGrammar.Without(Builder, marker, "text"),
            Expr.Join(ReasoningGrammar.UpTo(Builder, marker, "text"), Behind(calls, marker)));
    }

    /// <summary>The calls without the marker that they begin with.</summary>
    private Expr Behind(Expr calls, string marker)
    {
        switch (calls)
        {
            case Expr.Literal text when text.Value.StartsWith(marker, StringComparison.Ordinal):
                return Expr.Text(text.Value[marker.Length..]);
            case Expr.Seq seq:
                return Expr.Join([Behind(seq.Items[0], marker), .. seq.Items.Skip(1)]);
            case Expr.Alt alt:
                return Expr.Either(alt.Items.Select(item => Behind(item, marker)).ToList());
            default:
                throw new InvalidOperationException($"calls of {_family} do not begin with {marker}");
        }
    }

    private Expr Each(Func<(ToolDefinition Tool, Expr Arguments), Expr> form) => Expr.Either(_tools.Select(form).ToList());

    private Expr Several(Expr call, Expr between)
    {
        if (!_request.IsParallel) return call;
        // The first is written out, so that its marker stands at the beginning.
        return Expr.Join(call, Expr.Many(Expr.Join(between, Builder.Rules.Add("call", call))));
    }

    private Expr Tagged(Expr inside) =>
        Expr.Join(Expr.Text("<tool_call>"), _lineBreak, inside, _lineBreak, Expr.Text("</tool_call>"));

    private Expr Object((ToolDefinition Tool, Expr Arguments) tool, string key) => Expr.Join(
        Expr.Text("{\"name\":"), _space, Expr.Text(JsonSpelling.Value(tool.Tool.Name) + ","), _space, Expr.Text($"\"{key}\":"), _space,
        tool.Arguments, _space, Expr.Text("}"));

    private Expr List()
    {
        var call = Builder.Rules.Add("call", Each(tool => Object(tool, "arguments")));
        var more = _request.IsParallel ? Expr.Many(Expr.Join(JsonRules.Comma(Builder.Rules), call)) : Expr.Empty;
        return Expr.Join(Expr.Text("["), call, more, Expr.Text("]"));
    }

    private Expr Generic()
    {
        var call = Builder.Rules.Add("call", Each(tool => Object(tool, "arguments")));
        var one = Expr.Join(Expr.Text("\"tool_call\":"), _space, call);
        var several = Expr.Join(
            Expr.Text("\"tool_calls\":"), _space, Expr.Text("["), call, Expr.Many(Expr.Join(JsonRules.Comma(Builder.Rules), call)), Expr.Text("]"));
        var calls = Expr.Join(Expr.Text("{"), _space, _request.IsParallel ? Expr.Either(one, several) : one, _space, Expr.Text("}"));
        if (_request.IsForced) return calls;
        return Expr.Either(calls, Expr.Join(
            Expr.Text("{"), _space, Expr.Text("\"response\":"), _space, JsonRules.String(Builder.Rules), _space, Expr.Text("}")));
    }

    private Expr Xml((ToolDefinition Tool, Expr Arguments) tool) =>
        Expr.Join(Expr.Text($"<function={tool.Tool.Name}>\n"), tool.Arguments, Expr.Text("</function>"));

    private Expr Arguments(ToolDefinition tool)
    {
        if (_family == ToolFamily.QwenXml) return new XmlArguments(Builder, Loosened).Of(tool, PathOf(tool));
        if (tool.Parameters is not { } schema) return JsonRules.Object(Builder.Rules);
        try
        {
            // Tried apart: a schema that nothing holds against shows only when it is written, and must not take the tool away in silence.
            var trial = new GrammarBuilder(GrammarLimits.Default);
            trial.Write(trial.Schema(ObjectSchema(schema), PathOf(tool), "args"), PathOf(tool));
            return Builder.Schema(ObjectSchema(schema), PathOf(tool), tool.Name + "-args");
        }
        catch (SchemaRefusedException e) when (!tool.IsStrict)
        {
            Loosened.Add(e);
            return JsonRules.Object(Builder.Rules);
        }
    }

    /// <summary>Arguments are an object, whether the schema says so or not.</summary>
    private static JsonElement ObjectSchema(JsonElement schema)
    {
        if (schema.TryGetProperty("type", out _)) return schema;
        var node = JsonObject.Create(schema)!.DeepClone().AsObject();
        node["type"] = "object";
        return JsonSerializer.SerializeToElement(node, ToolJson.Default.JsonObject);
    }

    private string PathOf(ToolDefinition tool) => $"tools[{_request.Tools.IndexOf(tool)}].function.parameters";
}
