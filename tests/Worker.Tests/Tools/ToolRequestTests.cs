using FinerCut.Worker.Tools;

namespace FinerCut.Tests.Tools;

public class ToolRequestTests
{
    [Fact]
    public void Reads_what_a_request_says()
    {
        var request = Tools.Request("\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"add\"}},\"parallel_tool_calls\":false");
        Assert.Equal(["add", "get_time"], request.Tools.Select(tool => tool.Name));
        Assert.Equal(new ToolChoice(ToolChoiceKind.Named, "add"), request.Choice);
        Assert.Equal("add", Assert.Single(request.Callable).Name);
        Assert.True(request is { IsActive: true, IsForced: true, IsParallel: false });
    }

    [Theory]
    [InlineData("{}", ToolChoiceKind.None, false)]
    [InlineData("{\"tools\":null,\"tool_choice\":null}", ToolChoiceKind.None, false)]
    [InlineData("{\"tools\":[]}", ToolChoiceKind.None, false)]
    [InlineData("{" + Tools.Two + "}", ToolChoiceKind.Auto, true)]
    [InlineData("{" + Tools.Two + ",\"tool_choice\":\"none\"}", ToolChoiceKind.None, false)]
    [InlineData("{" + Tools.Two + ",\"tool_choice\":\"required\"}", ToolChoiceKind.Required, true)]
    public void Knows_what_is_left_out(string body, ToolChoiceKind kind, bool active)
    {
        var request = ToolRequestReader.Read(Tools.Json(body));
        Assert.Equal((kind, active), (request.Choice.Kind, request.IsActive));
    }

    [Theory]
    [InlineData("{\"tools\":{}}", "tools")]
    [InlineData("{\"tools\":[1]}", "tools[0]")]
    [InlineData("{\"tools\":[{\"type\":\"web_search\"}]}", "tools[0].type")]
    [InlineData("{\"tools\":[{\"type\":\"function\"}]}", "tools[0].function")]
    [InlineData("{\"tools\":[{\"type\":\"function\",\"function\":{}}]}", "tools[0].function.name")]
    [InlineData("{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]}", "tools[0].function.name")]
    [InlineData("{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"\\ud83d\"}}]}", "tools[0].function.name")]
    [InlineData("{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\",\"returns\":1}}]}", "tools[0].function.returns")]
    [InlineData("{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\",\"parameters\":[]}}]}", "tools[0].function.parameters")]
    [InlineData("{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\",\"parameters\":{\"type\":\"string\"}}}]}", "tools[0].function.parameters.type")]
    [InlineData("{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\",\"strict\":1}}]}", "tools[0].function.strict")]
    [InlineData("{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\"}},{\"type\":\"function\",\"function\":{\"name\":\"a\"}}]}", "tools[1].function.name")]
    [InlineData("{\"tool_choice\":\"auto\"}", "tool_choice")]
    [InlineData("{\"tool_choice\":\"any\"}", "tool_choice")]
    [InlineData("{" + Tools.Two + ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"sub\"}}}", "tool_choice.function.name")]
    [InlineData("{" + Tools.Two + ",\"parallel_tool_calls\":1}", "parallel_tool_calls")]
    [InlineData("{\"tools\":[],\"tool_choice\":\"required\"}", "tools")]
    public void Refuses_by_path(string body, string path) =>
        Assert.Equal(path, Assert.Single(Assert.Throws<ToolsRefusedException>(() => ToolRequestReader.Read(Tools.Json(body))).Faults).Path);

    [Theory]
    [InlineData("[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"a\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"x\"}]", "")]
    [InlineData("[{\"role\":\"tool\",\"content\":\"x\"}]", "messages[0].tool_call_id")]
    [InlineData("[{\"role\":\"user\",\"tool_calls\":[]}]", "messages[0].tool_calls")]
    [InlineData("[{\"role\":\"assistant\",\"tool_calls\":{}}]", "messages[0].tool_calls")]
    [InlineData("[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"a\"}}]}]", "messages[0].tool_calls[0].id messages[0].tool_calls[0].function.arguments")]
    [InlineData("[{\"role\":\"assistant\",\"tool_calls\":[1]}]", "messages[0].tool_calls[0].function")]
    public void Checks_calls_in_messages(string messages, string paths) =>
        Assert.Equal(paths, string.Join(' ', ToolRequestReader.CheckMessages(Tools.Json(messages)).Select(fault => fault.Path)));
}
