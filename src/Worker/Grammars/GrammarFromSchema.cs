using System.Text.Json;

namespace FinerCut.Worker.Grammars;

/// <summary>
/// Makes a GBNF grammar from a JSON schema (docs/grammars.md). Every text that the grammar lets through holds against the schema; what cannot
/// be expressed is refused with its path, never left out. Pure and thread-safe.
/// </summary>
public static class GrammarFromSchema
{
    /// <summary>Any JSON object: response_format json_object.</summary>
    public static string AnyObject { get; } = AnyObjectText();

    /// <param name="schema">A JSON schema, draft 4 to 2020-12.</param>
    /// <param name="path">How errors name the schema's root, e.g. "response_format.json_schema.schema".</param>
    /// <returns>GBNF whose start rule is "root".</returns>
    /// <exception cref="SchemaRefusedException">No grammar can be made from it.</exception>
    public static string Convert(JsonElement schema, string path = "schema", GrammarLimits? limits = null)
    {
        var builder = new GrammarBuilder(limits ?? GrammarLimits.Default);
        return builder.Write(builder.Schema(schema, path, "doc"), path);
    }

    private static string AnyObjectText()
    {
        var builder = new GrammarBuilder(GrammarLimits.Default);
        return builder.Write(JsonRules.Object(builder.Rules), "");
    }
}

/// <summary>One grammar while it is put together, from schemas and fixed texts. Not thread-safe.</summary>
internal sealed class GrammarBuilder
{
    private readonly GrammarLimits _limits;

    public GrammarBuilder(GrammarLimits limits)
    {
        _limits = limits;
        Rules = new GrammarRules(limits);
        Languages = new LanguageRules(new LanguageSpace(), Rules, limits);
    }

    public GrammarRules Rules { get; }

    public LanguageRules Languages { get; }

    /// <exception cref="SchemaRefusedException">No grammar can be made from it.</exception>
    public Expr Schema(JsonElement schema, string path, string hint)
    {
        var walk = new SchemaRules(Rules, Languages, _limits);
        try
        {
            Readable(schema, path);
            return walk.Value([new SchemaSource(schema, path).Root], hint);
        }
        catch (GrammarTooLargeException e)
        {
            throw new SchemaRefusedException(walk.CurrentPath.Length == 0 ? path : walk.CurrentPath, $"is too large: {e.Message}.");
        }
        catch (InsufficientExecutionStackException)
        {
            throw new SchemaRefusedException(walk.CurrentPath.Length == 0 ? path : walk.CurrentPath, "is nested too deeply.");
        }
    }

    /// <exception cref="SchemaRefusedException">No text matches, or the grammar is too large.</exception>
    public string Write(Expr root, string path)
    {
        try
        {
            return Rules.Write(root) ?? throw new SchemaRefusedException(path, "lets no document through: its demands contradict one another, or it nests without end.");
        }
        catch (GrammarTooLargeException e)
        {
            throw new SchemaRefusedException(path, $"is too large: {e.Message}.");
        }
        catch (InsufficientExecutionStackException)
        {
            throw new SchemaRefusedException(path, "is nested too deeply.");
        }
    }

    private void Readable(JsonElement schema, string path)
    {
        if (schema.ValueKind == JsonValueKind.Undefined) throw new SchemaRefusedException(path, "is missing.");
        if (schema.GetRawText().Length > _limits.SchemaBytes) throw new SchemaRefusedException(path, $"has more than {_limits.SchemaBytes} characters.");
        Texts(schema, path, _limits.Depth);
    }

    /// <summary>JSON may spell half a surrogate pair, which is no text and could not be generated.</summary>
    /// <exception cref="SchemaRefusedException">There is one, or it is nested deeper than that.</exception>
    internal static void Texts(JsonElement value, string path, int depth)
    {
        if (depth == 0) throw new SchemaRefusedException(path, "is nested too deeply.");
        try
        {
            if (value.ValueKind == JsonValueKind.String) _ = value.GetString();
            if (value.ValueKind == JsonValueKind.Object) _ = value.EnumerateObject().Sum(member => member.Name.Length);
        }
        catch (InvalidOperationException)
        {
            throw new SchemaRefusedException(path, "has half a surrogate pair, which is no text.");
        }

        if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in value.EnumerateObject()) Texts(member.Value, SchemaPath.Member(path, member.Name), depth - 1);
        }

        if (value.ValueKind != JsonValueKind.Array) return;
        var i = 0;
        foreach (var item in value.EnumerateArray()) Texts(item, $"{path}[{i++}]", depth - 1);
    }
}
