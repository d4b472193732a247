using System.Text.Json;
using FinerCut.Tests.Reasoning;
using FinerCut.Worker.Reasoning;
using FinerCut.Worker.Tools;

namespace FinerCut.Tests.Tools;

/// <summary>Answers as models of each family write them. Expected: content, then name(arguments) a call, parted by " | ".</summary>
public class AnswerReaderTests
{
    private const ToolFamily H = ToolFamily.Hermes, L = ToolFamily.Llama3, M = ToolFamily.MistralList, A = ToolFamily.MistralArgs, T = ToolFamily.FunctionaryTags,
        R = ToolFamily.FunctionaryRecipients, F = ToolFamily.Functools, G = ToolFamily.Generic, X = ToolFamily.QwenXml;

    [Theory]
    [InlineData(H, "Hello", "Hello")]
    [InlineData(H, "a\n b \n", "a\n b \n")]
    [InlineData(H, "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>", "| add({\"a\": 1})")]
    [InlineData(H, "Well:\n\n<tool_call>\n{\"name\":\"add\",\"arguments\":{}}\n</tool_call>\n<tool_call>{\"arguments\":{\"x\":\"}\\\"\"},\"name\":\"get_time\"}</tool_call>\n", "Well: | add({}) | get_time({\"x\":\"}\\\"\"})")]
    [InlineData(H, "<tool_call>{\"name\":\"add\"}</tool_call>", "| add({})")]
    [InlineData(H, "<tool_call>{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":\\\"\\u00e9\\\"}\"}</tool_call>", "| add({\"a\":\"é\"})")]
    [InlineData(H, "<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":1}}}</tool_call> done", "done | add({\"a\":1})")]
    [InlineData(H, "<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":1", "| add({\"a\":1)")]
    [InlineData(H, "x <tool_call>\nno json</tool_call>", "x <tool_call>\nno json</tool_call>")]
    [InlineData(H, "x <tool_call>{\"nam", "x <tool_call>{\"nam")]
    [InlineData(H, "a <tool", "a <tool")]
    [InlineData(H, "<tool_call>{\"type\":\"function\",\"function\":{\"name\":\"add\",\"arguments\":{\"a\":1}}}</tool_call>", "| add({\"a\":1})")]
    [InlineData(H, "<tool_call>{\"name\":\"add\",\"arguments\":{}}<tool_call>{\"name\":\"add\",\"arguments\":{}}", "| add({}) | add({})")]
    [InlineData(L, "{\"name\": \"add\", \"parameters\": {\"a\": 1}}", "| add({\"a\": 1})")]
    [InlineData(L, "<|python_tag|>{\"type\":\"function\",\"name\":\"add\",\"parameters\":{\"a\":\"x\"}}", "| add({\"a\":\"x\"})")]
    [InlineData(L, "{\"name\":\"add\",\"parameters\":{}}; {\"name\":\"get_time\",\"parameters\":{}}", "| add({}) | get_time({})")]
    [InlineData(L, "{\"name\":\"Anna\",\"parameters\":{}}", "{\"name\":\"Anna\",\"parameters\":{}}")]
    [InlineData(L, " {\"answer\": 42}", " {\"answer\": 42}")]
    [InlineData(L, "Plain {\"name\":\"add\"}", "Plain {\"name\":\"add\"}")]
    [InlineData(L, "  text", "  text")]
    [InlineData(L, "<|python_tag|>print(1)", "<|python_tag|>print(1)")]
    [InlineData(L, "<|pyth", "<|pyth")]
    [InlineData(L, "<|py{\"name\":\"add\"}", "<|py{\"name\":\"add\"}")]
    [InlineData(L, "Let me see. <|python_tag|>{\"name\":\"add\",\"parameters\":{}}", "Let me see. | add({})")]
    [InlineData(M, "[TOOL_CALLS][{\"name\": \"add\", \"arguments\": {\"a\": 1}, \"id\": \"123456789\"}, {\"name\":\"get_time\",\"arguments\":{}}]", "| add({\"a\": 1}) | get_time({})")]
    [InlineData(M, "ok [TOOL_CALLS] [{\"name\":\"add\",\"arguments\":{\"a\":[1]}}]", "ok | add({\"a\":[1]})")]
    [InlineData(M, "[TOOL_CALLS]{\"name\":\"add\",\"arguments\":{}}", "| add({})")]
    [InlineData(M, "[TOOL_CALLS] [oops]", "[TOOL_CALLS] [oops]")]
    [InlineData(M, "a [TOOL] b", "a [TOOL] b")]
    [InlineData(M, "[TOOL_CALLS][{\"na", "[TOOL_CALLS][{\"na")]
    [InlineData(A, "[TOOL_CALLS]add[ARGS]{\"a\": 1}", "| add({\"a\": 1})")]
    [InlineData(A, "[TOOL_CALLS]add[CALL_ID]abcdefghi[ARGS]{\"a\":1}[TOOL_CALLS]get_time[ARGS] {}", "| add({\"a\":1}) | get_time({})")]
    [InlineData(A, "hm [TOOL_CALLS]not a name", "hm [TOOL_CALLS]not a name")]
    [InlineData(A, "[TOOL_CALLS]ad", "[TOOL_CALLS]ad")]
    [InlineData(T, "<function=add>{\"a\": 1}</function>", "| add({\"a\": 1})")]
    [InlineData(T, "Ok. <function=add>{}</function>\n<function=get_time></function>", "Ok. | add({}) | get_time({})")]
    [InlineData(T, "a <function=b c>", "a <function=b c>")]
    [InlineData(T, "a <function=b", "a <function=b")]
    [InlineData(R, "all\nHello >> you", "Hello >> you")]
    [InlineData(R, "add\n{\"a\": 1}", "| add({\"a\": 1})")]
    [InlineData(R, "all\nOne moment.\n>>>add\n{\"a\":1}>>>get_time\n{}", "One moment. | add({\"a\":1}) | get_time({})")]
    [InlineData(R, "nobody\nhello", "nobody\nhello")]
    [InlineData(R, "hello", "hello")]
    [InlineData(F, " functools[{\"name\": \"add\", \"arguments\": {\"a\": 1}}, {\"name\":\"get_time\",\"arguments\":{}}]", "| add({\"a\": 1}) | get_time({})")]
    [InlineData(F, "functools are nice", "functools are nice")]
    [InlineData(G, "{\"tool_call\": {\"name\": \"add\", \"arguments\": {\"a\": 1}}}", "| add({\"a\": 1})")]
    [InlineData(G, "{ \"tool_calls\": [{\"name\":\"add\",\"arguments\":{}}, {\"name\":\"get_time\",\"arguments\":{}}] }", "| add({}) | get_time({})")]
    [InlineData(G, "{\"tool_calls\": [{\"name\":\"add\",\"arguments\":{}},\n {\"na", "| add({})")]
    [InlineData(G, "{\"response\": \"Hi \\\"you\\\"\\n\\ud83d\\ude00\"}", "Hi \"you\"\n😀")]
    [InlineData(G, "{\"response\": \"cut o", "cut o")]
    [InlineData(G, "Just text", "Just text")]
    [InlineData(G, "{\"other\": 1}", "{\"other\": 1}")]
    [InlineData(G, "{\"tool_call\": {\"name\": \"nothing\", \"arguments\": {}}}", "{\"tool_call\": {\"name\": \"nothing\", \"arguments\": {}}}")]
    [InlineData(G, "{\"respo", "{\"respo")]
    [InlineData(X, "<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n<parameter=text>\n12\n</parameter>\n</function>\n</tool_call>", "| add({\"a\": 1, \"text\": \"12\"})")]
    [InlineData(X, "Sure.\n<function=add>\n<parameter=b>\nline 1\nline 2\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=get_time>\n</function></tool_call>", "Sure. | add({\"b\": \"line 1\\nline 2\"}) | get_time({})")]
    [InlineData(X, "<tool_call>what", "<tool_call>what")]
    public void Reads_the_same_however_the_text_is_cut(ToolFamily family, string text, string expected)
    {
        foreach (var pieces in Cuts.Of(text)) Assert.Equal(expected, Read(family, pieces));
    }

    [Theory]
    [InlineData("<think>add?</think>\n\n<tool_call>{\"name\":\"add\",\"arguments\":{}}</tool_call>", false, "(add?) | add({})")]
    [InlineData("I <tool_call> think</think>Hello", true, "(I <tool_call> think)Hello")]
    public void Reasoning_comes_before_calls(string text, bool inside, string expected)
    {
        foreach (var pieces in Cuts.Of(text)) Assert.Equal(expected, Read(H, pieces, ReasoningTags.Think, inside));
    }

    [Fact]
    public void One_call_is_enough_where_calls_are_not_parallel()
    {
        foreach (var pieces in Cuts.Of("<tool_call>{\"name\":\"add\",\"arguments\":{}}</tool_call><tool_call>{\"name\":\"add\",\"arguments\":{}}</tool_call>"))
        {
            var reader = new AnswerReader(new AnswerForm(Tools.Request("\"parallel_tool_calls\":false"), H), new SeededToolCallIds(1, H));
            Assert.Single(All(reader, pieces).Calls);
            Assert.True(reader.IsComplete);
        }
    }

    [Fact]
    public void A_call_streams_in_pieces_as_soon_as_its_name_is_known()
    {
        var reader = new AnswerReader(new AnswerForm(Tools.Request(), H), new SeededToolCallIds(7, H));
        Assert.Empty(reader.Push("<tool_call>\n{\"name\": \"ad"));
        var begun = Assert.Single(reader.Push("d\", \"argu"));
        Assert.Equal((AnswerPart.Call, "add", 0), (begun.Part, begun.Text, begun.Index));
        Assert.Equal(29, begun.Id!.Length);
        Assert.Equal(new AnswerDelta(AnswerPart.Arguments, "{\"a\": "), Assert.Single(reader.Push("ments\": {\"a\": ")));
        Assert.Equal(new AnswerDelta(AnswerPart.Arguments, "12}"), Assert.Single(reader.Push("12}}\n</tool")));
        Assert.Empty(reader.Push("_call>"));
        Assert.Equal(1, reader.Calls);
    }

    [Fact]
    public void Deltas_and_messages_have_openais_shape()
    {
        var deltas = new AnswerDelta[] { new(AnswerPart.Reasoning, "r"), new(AnswerPart.Content, "c"), new(AnswerPart.Call, "add", 0, "call_1"), new(AnswerPart.Arguments, "{}") };
        Assert.Equal("{\"reasoning_content\":\"r\"}", Write(json => AnswerPartsJson.WriteDelta(json, deltas[0])));
        Assert.Equal("{\"content\":\"c\"}", Write(json => AnswerPartsJson.WriteDelta(json, deltas[1])));
        Assert.Equal("{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"add\",\"arguments\":\"\"}}]}", Write(json => AnswerPartsJson.WriteDelta(json, deltas[2])));
        Assert.Equal("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}", Write(json => AnswerPartsJson.WriteDelta(json, deltas[3])));
        Assert.Equal(
            "{\"role\":\"assistant\",\"content\":\"c\",\"reasoning_content\":\"r\",\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"add\",\"arguments\":\"{}\"}}]}",
            Write(json => AnswerPartsJson.WriteMessage(json, AnswerMessage.From(deltas))));
        Assert.Equal("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"add\",\"arguments\":\"{}\"}}]}", Write(json => AnswerPartsJson.WriteMessage(json, AnswerMessage.From(deltas[2..]))));
    }

    [Fact]
    public void Ids_come_from_the_seed()
    {
        Assert.Equal(new SeededToolCallIds(5, H).Next(), new SeededToolCallIds(5, H).Next());
        Assert.NotEqual(new SeededToolCallIds(5, H).Next(), new SeededToolCallIds(6, H).Next());
        Assert.Matches("^[A-Za-z0-9]{9}$", new SeededToolCallIds(5, M).Next());
    }

    [Fact]
    public void Nothing_is_read_as_a_call_where_tools_are_off()
    {
        var reader = new AnswerReader(new AnswerForm(Tools.Request("\"tool_choice\":\"none\""), H), new SeededToolCallIds(1, H));
        const string text = "<tool_call>{\"name\":\"add\",\"arguments\":{}}</tool_call>";
        Assert.Equal(text, AnswerMessage.From([.. reader.Push(text), .. reader.Finish()]).Content);
    }

    private static string Read(ToolFamily family, IReadOnlyList<string> pieces, ReasoningTags? tags = null, bool inside = false)
    {
        var reader = new AnswerReader(new AnswerForm(Tools.Request(), family, tags, inside), new SeededToolCallIds(1, family));
        var message = All(reader, pieces);
        var text = (message.Reasoning is null ? "" : $"({message.Reasoning})") + message.Content;
        return message.Calls.IsEmpty ? text : string.Join(" | ", message.Calls.Select(call => $"{call.Name}({call.Arguments})").Prepend(text)).TrimStart(' ');
    }

    private static AnswerMessage All(AnswerReader reader, IReadOnlyList<string> pieces)
    {
        var deltas = pieces.SelectMany(piece => reader.Push(piece)).ToList();
        deltas.AddRange(reader.Finish());
        return AnswerMessage.From(deltas);
    }

    private static string Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
