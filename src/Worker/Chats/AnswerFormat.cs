using System.Text.Json;
using FinerCut.Worker.Grammars;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Chats;

/// <summary>What an answer must be: any text, any JSON object, or a document of a schema. Immutable.</summary>
/// <param name="Schema">A JSON schema; null = any object where <paramref name="IsJson"/>.</param>
/// <param name="Path">How refusals name the schema's root.</param>
internal sealed record AnswerFormat(bool IsJson, JsonElement? Schema = null, string Path = "")
{
    public static AnswerFormat Text { get; } = new(false);

    /// <summary>chat/completions: {"type": "json_schema", "json_schema": {"name", "schema", ...}}; llama-server's {"type": "json_object", "schema"} as well.</summary>
    public static AnswerFormat ReadNested(FieldReader body, string name)
    {
        if (body.Object(name) is not { } format) return Text;
        switch (Kind(format))
        {
            case "json_object":
                var result = format.Any("schema") is { } schema ? new AnswerFormat(true, schema, $"{name}.schema") : new AnswerFormat(true);
                format.Close();
                return result;
            case "json_schema":
                var inner = format.Object("json_schema");
                if (inner is null) format.Fault("json_schema", "is missing: an object with name and schema.", "missing_required_parameter");
                format.Close();
                return inner is null ? Text : ReadSchema(inner, $"{name}.json_schema.schema");
            default:
                format.Close();
                return Text;
        }
    }

    /// <summary>responses: {"type": "json_schema", "name", "schema", ...}.</summary>
    /// <param name="path">Of the object that holds the field.</param>
    public static AnswerFormat ReadFlat(FieldReader body, string name, string path)
    {
        if (body.Object(name) is not { } format) return Text;
        switch (Kind(format))
        {
            case "json_object":
                format.Close();
                return new AnswerFormat(true);
            case "json_schema":
                return ReadSchema(format, $"{path}{name}.schema");
            default:
                format.Close();
                return Text;
        }
    }

    /// <summary>GBNF with the start rule "root"; null = any text.</summary>
    /// <exception cref="SchemaRefusedException">No grammar can be made of the schema.</exception>
    public string? ToGrammar() => !IsJson ? null : Schema is { } schema ? GrammarFromSchema.Convert(schema, Path) : GrammarFromSchema.AnyObject;

    private static string? Kind(FieldReader format)
    {
        var kind = format.Word("type", "text", "json_object", "json_schema");
        if (kind is null && format.Any("type") is null) format.Fault("type", "is missing: text, json_object or json_schema.", "missing_required_parameter");
        return kind;
    }

    private static AnswerFormat ReadSchema(FieldReader format, string path)
    {
        format.Text("name");
        format.Text("description");
        // Every schema is held to, asked for strictly or not.
        format.Flag("strict");
        var schema = format.Any("schema");
        if (schema is null) format.Fault("schema", "is missing: a JSON schema.", "missing_required_parameter");
        format.Close();
        return schema is null ? Text : new AnswerFormat(true, schema, path);
    }
}
