using System.Text.Json;
using FinerCut.Worker.Tools;

namespace FinerCut.Tests.Tools;

/// <summary>A request with two tools.</summary>
internal static class Tools
{
    public const string Two = """
        "tools":[
          {"type":"function","function":{"name":"add","description":"Adds.","parameters":{"type":"object","properties":{"a":{"type":"integer"},"text":{"type":"string"}},"required":["a"]}}},
          {"type":"function","function":{"name":"get_time"}}]
        """;

    public static ToolRequest Request(string more = "", string tools = Two) => ToolRequestReader.Read(Json("{" + tools + (more.Length > 0 ? "," + more : "") + "}"));

    public static JsonElement Json(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
