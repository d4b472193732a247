namespace FinerCut.Worker.Grammars;

/// <summary>
/// A JSON schema, or a part of one, that no grammar is made from: it cannot be expressed, contradicts itself, is malformed or too large.
/// The message never quotes values of the schema but keywords, names of properties and numbers.
/// </summary>
/// <param name="path">Where, e.g. <c>response_format.json_schema.schema.properties.when.pattern</c>.</param>
/// <param name="reason">What is wrong there, and what to write instead.</param>
public sealed class SchemaRefusedException(string path, string reason) : Exception($"'{path}' {reason}")
{
    public string Path { get; } = path;

    public string Reason { get; } = reason;
}

/// <summary>A limit of <see cref="GrammarLimits"/> was passed; whoever knows the place in the schema turns it into a refusal.</summary>
internal sealed class GrammarTooLargeException(string what) : Exception(what);
