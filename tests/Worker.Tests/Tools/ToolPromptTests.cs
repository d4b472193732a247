using System.Text.Json;
using FinerCut.Worker.Tools;

namespace FinerCut.Tests.Tools;

public class ToolPromptTests
{
    private const string Talk = """
        [{"role":"system","content":"S"},{"role":"user","content":"U"},
         {"role":"assistant","content":null,"tool_calls":[
           {"id":"call_1","type":"function","function":{"name":"add","arguments":"{\"a\": 1}"}},
           {"id":"abcdefgh9","type":"function","function":{"name":"get_time","arguments":"broken"}}]},
         {"role":"tool","tool_call_id":"abcdefgh9","content":"noon"},
         {"role":"tool","tool_call_id":"call_1","content":"2"}]
        """;

    [Fact]
    public void Arguments_become_objects_and_content_text()
    {
        var prompt = ToolPrompt.Build(Tools.Request(), ToolFamily.Hermes, Tools.Json(Talk));
        var message = prompt.Messages[2];
        Assert.Equal("", message.GetProperty("content").GetString());
        Assert.Equal(1, message.GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments").GetProperty("a").GetInt32());
        Assert.Equal("broken", message.GetProperty("tool_calls")[1].GetProperty("function").GetProperty("arguments").GetString());
        Assert.Equal(2, prompt.Tools!.Value.GetArrayLength());
    }

    [Fact]
    public void Mistral_gets_ids_of_nine_letters_that_still_belong_together()
    {
        var messages = ToolPrompt.Build(Tools.Request(), ToolFamily.MistralList, Tools.Json(Talk)).Messages;
        var first = messages[2].GetProperty("tool_calls")[0].GetProperty("id").GetString()!;
        Assert.Matches("^[A-Za-z0-9]{9}$", first);
        Assert.Equal(first, messages[4].GetProperty("tool_call_id").GetString());
        Assert.Equal("abcdefgh9", messages[3].GetProperty("tool_call_id").GetString());
    }

    [Fact]
    public void Llama_gets_one_call_a_message_followed_by_its_result()
    {
        var messages = ToolPrompt.Build(Tools.Request(), ToolFamily.Llama3, Tools.Json(Talk)).Messages;
        Assert.Equal(["system", "user", "assistant", "tool", "assistant", "tool"], messages.EnumerateArray().Select(message => message.GetProperty("role").GetString()));
        Assert.Equal("2", messages[3].GetProperty("content").GetString());
        Assert.Equal("noon", messages[5].GetProperty("content").GetString());
    }

    [Fact]
    public void Functionary_keeps_arguments_as_text() =>
        Assert.Equal("{\"a\": 1}", ToolPrompt.Build(Tools.Request(), ToolFamily.FunctionaryRecipients, Tools.Json(Talk)).Messages[2].GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments").GetString());

    [Fact]
    public void Other_models_are_told_in_words()
    {
        var prompt = ToolPrompt.Build(Tools.Request(), ToolFamily.Generic, Tools.Json(Talk));
        Assert.Null(prompt.Tools);
        var messages = prompt.Messages.EnumerateArray().ToList();
        Assert.Equal(["system", "user", "assistant", "user"], messages.Select(message => message.GetProperty("role").GetString()));
        Assert.StartsWith("S\n\nYou can call these tools:\n{\"name\": \"add\", \"description\": \"Adds.\", \"parameters\": {", messages[0].GetProperty("content").GetString(), StringComparison.Ordinal);
        Assert.Equal("{\"tool_calls\": [{\"name\": \"add\", \"arguments\": {\"a\":1}}, {\"name\": \"get_time\", \"arguments\": \"broken\"}]}", messages[2].GetProperty("content").GetString());
        Assert.Equal("Result of get_time:\nnoon\n\nResult of add:\n2", messages[3].GetProperty("content").GetString());
        Assert.False(messages[2].TryGetProperty("tool_calls", out _));
        Assert.All(messages, message => Assert.All(message.EnumerateObject(), member => Assert.Contains(member.Name, new[] { "role", "content" })));
    }

    [Fact]
    public void Without_a_system_role_the_user_is_told()
    {
        var messages = ToolPrompt.Build(Tools.Request(), ToolFamily.Generic, Tools.Json("[{\"role\":\"user\",\"content\":\"U\"}]"), takesSystem: false).Messages;
        Assert.Single(messages.EnumerateArray());
        Assert.EndsWith("\n\nU", messages[0].GetProperty("content").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_tools_a_conversation_stays_as_it_is()
    {
        const string talk = "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"U\"}]},{\"role\":\"assistant\",\"content\":\"A\"}]";
        var prompt = ToolPrompt.Build(ToolRequest.None, ToolFamily.Generic, Tools.Json(talk));
        Assert.True(JsonElement.DeepEquals(Tools.Json(talk), prompt.Messages));
        Assert.Null(prompt.Tools);
    }

    [Theory]
    [InlineData("...<tools>... <tool_call>\\n{\"name\": ..., \"arguments\": ...}</tool_call>", ToolFamily.Hermes)]
    [InlineData("<tool_call>\\n{\\\"name\\\": <function-name>, \\\"arguments\\\": <args-json-object>}", ToolFamily.Hermes)]
    [InlineData("<tool_calls>[{\"name\": 1, \"arguments\": 2}] <tool_call>", ToolFamily.Generic)]
    [InlineData("<seed:tool_call><function=x><parameter=y>", ToolFamily.Generic)]
    [InlineData("<tool_call>\n<function=x>\n<parameter=y>", ToolFamily.QwenXml)]
    [InlineData("<tool_call>{name}<arg_key>", ToolFamily.Generic)]
    [InlineData("[AVAILABLE_TOOLS] [TOOL_CALLS][", ToolFamily.MistralList)]
    [InlineData("[TOOL_CALLS] [ARGS]", ToolFamily.MistralArgs)]
    [InlineData("<|start_header_id|>ipython<|end_header_id|> '\"parameters\": '", ToolFamily.Llama3)]
    [InlineData("<|start_header_id|>user", ToolFamily.Generic)]
    [InlineData("example <function=example_function_name>{", ToolFamily.FunctionaryTags)]
    [InlineData("format:\\n>>>${recipient}\\n${content}", ToolFamily.FunctionaryRecipients)]
    [InlineData(" functools[", ToolFamily.Functools)]
    [InlineData("<|im_start|>", ToolFamily.Generic)]
    public void The_template_tells_the_family(string template, ToolFamily family) => Assert.Equal(family, ToolFamilies.Detect(template));
}
