using System.Text.Json;
using FinerCut.Worker.Tools;

namespace FinerCut.Worker.OpenAi;

/// <summary>Brings what is wrong with tools into the faults of a body.</summary>
internal static class ToolFields
{
    /// <param name="source">An object with tools, tool_choice and parallel_tool_calls in the shape of chat completions.</param>
    /// <param name="rename">From its paths to those of the body as it came.</param>
    public static ToolRequest Read(FieldReader body, JsonElement source, Func<string, string>? rename = null)
    {
        body.Accept("tools", "tool_choice", "parallel_tool_calls");
        try
        {
            return source.ValueKind == JsonValueKind.Object ? ToolRequestReader.Read(source) : ToolRequest.None;
        }
        catch (ToolsRefusedException exception)
        {
            foreach (var fault in exception.Faults) Add(body, rename is null ? fault : fault with { Path = rename(fault.Path) });
            return ToolRequest.None;
        }
    }

    public static void CheckMessages(FieldReader body, JsonElement messages)
    {
        foreach (var fault in ToolRequestReader.CheckMessages(messages)) Add(body, fault);
    }

    private static void Add(FieldReader body, ToolFault fault) =>
        body.Fault(fault.Path, fault.Message, fault.Code == "missing" ? "missing_required_parameter" : fault.Code);
}
