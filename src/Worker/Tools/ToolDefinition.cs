using System.Collections.Immutable;
using System.Text.Json;

namespace FinerCut.Worker.Tools;

/// <summary>A function that the model may ask for.</summary>
/// <param name="Parameters">JSON schema of the arguments; null = any object.</param>
/// <param name="IsStrict">Whether arguments must hold against the schema. If not, a schema that no grammar can hold to is a hint to the model.</param>
public sealed record ToolDefinition(string Name, string? Description, JsonElement? Parameters, bool IsStrict);

/// <summary>A call as the model made it.</summary>
/// <param name="Arguments">JSON text, as generated: it may be cut off where the answer was.</param>
public sealed record ToolCall(string Id, string Name, string Arguments);

public enum ToolChoiceKind
{
    /// <summary>The model decides.</summary>
    Auto,

    /// <summary>No call.</summary>
    None,

    /// <summary>At least one call.</summary>
    Required,

    /// <summary>A call of one function.</summary>
    Named,
}

/// <param name="Name">Named: which.</param>
public sealed record ToolChoice(ToolChoiceKind Kind, string? Name = null)
{
    public static ToolChoice Auto { get; } = new(ToolChoiceKind.Auto);
}

/// <summary>What a request says about tools.</summary>
/// <param name="IsParallel">Whether one answer may hold several calls.</param>
/// <param name="Source">The request's "tools" as they came, for the template; undefined where there are none.</param>
public sealed record ToolRequest(ImmutableArray<ToolDefinition> Tools, ToolChoice Choice, bool IsParallel, JsonElement Source)
{
    public static ToolRequest None { get; } = new([], new ToolChoice(ToolChoiceKind.None), true, default);

    /// <summary>Whether the model is told of tools, and its answer read for calls.</summary>
    public bool IsActive => !Tools.IsEmpty && Choice.Kind != ToolChoiceKind.None;

    /// <summary>Whether the answer must be a call.</summary>
    public bool IsForced => Choice.Kind is ToolChoiceKind.Required or ToolChoiceKind.Named;

    /// <summary>The tools that the answer may call.</summary>
    public IEnumerable<ToolDefinition> Callable => Choice.Kind == ToolChoiceKind.Named ? Tools.Where(tool => tool.Name == Choice.Name) : Tools;
}

/// <summary>A field that cannot be taken: where, and what is wrong with it.</summary>
/// <param name="Path">e.g. <c>tools[0].function.name</c>.</param>
/// <param name="Code">invalid_type, invalid_value, missing, unknown_parameter.</param>
public sealed record ToolFault(string Path, string Message, string Code);

/// <summary>Fields about tools that cannot be taken; all of them.</summary>
public sealed class ToolsRefusedException(ImmutableArray<ToolFault> faults) : Exception(string.Join(' ', faults.Select(fault => $"'{fault.Path}' {fault.Message}")))
{
    public ImmutableArray<ToolFault> Faults { get; } = faults;
}
