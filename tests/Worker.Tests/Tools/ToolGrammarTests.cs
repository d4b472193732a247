using FinerCut.Tests.Grammars;
using FinerCut.Worker.Grammars;
using FinerCut.Worker.Reasoning;
using FinerCut.Worker.Tools;

namespace FinerCut.Tests.Tools;

public class ToolGrammarTests
{
    public static TheoryData<ToolFamily> Families => [.. Enum.GetValues<ToolFamily>()];

    /// <summary>Whatever the grammar of a forced call writes, the family's parser reads as calls of known tools with valid arguments.</summary>
    [Theory]
    [MemberData(nameof(Families))]
    public void What_is_forced_is_read_back(ToolFamily family)
    {
        foreach (var more in new[] { "\"tool_choice\":\"required\"", "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"add\"}}", "\"tool_choice\":\"required\",\"parallel_tool_calls\":false" })
        {
            var request = Tools.Request(more);
            var grammar = ToolGrammar.Build(request, family)!;
            Assert.True(grammar.IsRequired);
            var gbnf = Gbnf.Parse(grammar.Whole);
            for (var seed = 0; seed < 40; seed++)
            {
                var text = gbnf.Sample(new Random(seed), 150);
                var reader = new AnswerReader(new AnswerForm(request, family), new SeededToolCallIds(seed, family));
                var message = AnswerMessage.From([.. reader.Push(text), .. reader.Finish()]);
                Assert.True(message.Content is null, $"{family}: {text} left {message.Content}");
                Assert.InRange(message.Calls.Length, 1, request.IsParallel && family != ToolFamily.Llama3 ? int.MaxValue : 1);
                foreach (var call in message.Calls)
                {
                    var tool = request.Callable.Single(tool => tool.Name == call.Name);
                    var arguments = Tools.Json(call.Arguments);
                    if (tool.Parameters is { } schema) Assert.True(SchemaOracle.Holds(schema, arguments), text);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Where_the_model_decides_text_and_calls_get_through(ToolFamily family)
    {
        var request = Tools.Request();
        var grammar = ToolGrammar.Build(request, family)!;
        var gbnf = Gbnf.Parse(grammar.Whole);
        Assert.Equal(family == ToolFamily.Generic, grammar.IsRequired);
        var text = family switch { ToolFamily.Generic => "{\"response\": \"Hi.\"}", ToolFamily.FunctionaryRecipients => "all\nHi.", _ => "Hi. <tool [TOOL" };
        Assert.True(gbnf.Accepts(text), grammar.Whole);
        for (var seed = 0; seed < 20; seed++)
        {
            var sample = gbnf.Sample(new Random(seed), 100);
            var reader = new AnswerReader(new AnswerForm(request, family), new SeededToolCallIds(seed, family));
            foreach (var call in AnswerMessage.From([.. reader.Push(sample), .. reader.Finish()]).Calls) Assert.Contains(request.Tools, tool => tool.Name == call.Name);
        }

        if (grammar.IsRequired) return;
        Assert.NotEmpty(grammar.Triggers);
        var calls = Gbnf.Parse(grammar.Calls!).Sample(new Random(1), 80);
        Assert.True(gbnf.Accepts(family == ToolFamily.FunctionaryRecipients ? "all\nHi>>>" + calls : family == ToolFamily.Llama3 ? calls : "Hi\n" + calls), calls);
        Assert.All(grammar.Triggers.Take(1), trigger => Assert.Matches(trigger, calls));
    }

    [Fact]
    public void Reasoning_may_come_first()
    {
        var request = Tools.Request("\"tool_choice\":\"required\"");
        var may = Gbnf.Parse(ToolGrammar.Build(request, ToolFamily.Hermes, ReasoningTags.Think)!.Whole);
        var must = Gbnf.Parse(ToolGrammar.Build(request, ToolFamily.Hermes, ReasoningTags.Think, startsInsideReasoning: true)!.Whole);
        const string call = "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>";
        Assert.True(may.Accepts(call));
        Assert.True(may.Accepts("<think>a <tool_call> b</think>\n\n" + call));
        Assert.True(must.Accepts("a b\n</think>\n" + call));
        Assert.False(must.Accepts(call));
        Assert.False(may.Accepts("<think>" + call));
    }

    [Fact]
    public void Reasoning_wraps_any_grammar()
    {
        var wrapped = ReasoningGrammar.Wrap("root ::= \"yes\" | \"no\"\n", ReasoningTags.Think, startsInside: false);
        var gbnf = Gbnf.Parse(wrapped.Text, wrapped.Root);
        Assert.True(gbnf.Accepts("yes"));
        Assert.True(gbnf.Accepts("<think>\nhm</thin></think>\n\nno"));
        Assert.False(gbnf.Accepts("<think>yes"));
        Assert.False(gbnf.Accepts("maybe"));
    }

    [Fact]
    public void Schemas_beyond_grammars_are_hints_unless_strict()
    {
        const string tools = "\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",STRICT\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"uniqueItems\":true}}}}}]";
        var loose = ToolGrammar.Build(Tools.Request(tools: tools.Replace("STRICT", "", StringComparison.Ordinal)), ToolFamily.Generic)!;
        Assert.Equal("tools[0].function.parameters.properties.a.uniqueItems", Assert.Single(loose.Loosened).Path);
        Assert.True(Gbnf.Parse(loose.Whole).Accepts("{\"tool_call\": {\"name\": \"f\", \"arguments\": {\"b\": [1, 1]}}}"));
        var strict = Tools.Request(tools: tools.Replace("STRICT", "\"strict\":true,", StringComparison.Ordinal));
        Assert.Equal("tools[0].function.parameters.properties.a.uniqueItems", Assert.Throws<SchemaRefusedException>(() => ToolGrammar.Build(strict, ToolFamily.Generic)).Path);
    }

    [Fact]
    public void Without_tools_there_is_no_grammar() => Assert.Null(ToolGrammar.Build(ToolRequest.None, ToolFamily.Hermes));
}
