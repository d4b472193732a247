using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Serving;

/// <summary>response_format and tools over HTTP on the real model, which has no tool form of its own, so that all is held by grammars.</summary>
[Collection<ServedCollection>]
public class FormTests(SharedWorkers workers)
{
    private const string Weather = """
        "tools":[
          {"type":"function","function":{"name":"get_weather","description":"The weather of a city.","parameters":{"type":"object","properties":{"city":{"type":"string","maxLength":20},"days":{"type":"integer","minimum":1,"maximum":7}},"required":["city","days"]}}},
          {"type":"function","function":{"name":"get_time","parameters":{"type":"object","properties":{},"additionalProperties":false}}}]
        """;

    /// <summary>A call of which each argument has one value: batches of another shape round otherwise, and the model all but tosses a coin for the days of <see cref="Weather"/>.</summary>
    private const string OneCall = """
        "tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"const":"Paris"},"days":{"const":3}},"required":["city","days"],"additionalProperties":false}}}],
        "tool_choice":"required","parallel_tool_calls":false
        """;

    private const string Ask = "\"messages\":[{\"role\":\"user\",\"content\":\"What is the weather in Paris?\"}],\"max_tokens\":160,\"temperature\":0";

    [Fact]
    public async Task AnAnswerIsADocumentOfTheSchema()
    {
        const string body = "{" + Ask + """
            ,"response_format":{"type":"json_schema","json_schema":{"name":"event","strict":true,"schema":{"type":"object","properties":{
              "day":{"type":"string","format":"date"},"kind":{"enum":["fair","rain"]},"degrees":{"type":"integer","minimum":-20,"maximum":40}},"required":["day","kind","degrees"],"additionalProperties":false}}}}
            """;
        var answer = await workers.Real.AnswerAsync("/v1/chat/completions", body);
        Assert.Equal("stop", (string?)answer["choices"]![0]!["finish_reason"]);
        var document = JsonNode.Parse((string)answer["choices"]![0]!["message"]!["content"]!)!;
        Assert.Equal(["day", "kind", "degrees"], document.AsObject().Select(member => member.Key));
        Assert.Contains((string?)document["kind"], (string[])["fair", "rain"]);
        Assert.InRange((int)document["degrees"]!, -20, 40);
        Assert.Matches("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", (string)document["day"]!);
    }

    [Fact]
    public async Task AnyJsonObjectIsOne()
    {
        var events = await workers.Real.EventsAsync(
            "/v1/chat/completions", "{" + Ask.Replace("160", "400", StringComparison.Ordinal) + ",\"stream\":true,\"response_format\":{\"type\":\"json_object\"}}");
        var text = Content(events);
        if ((string?)events[^1]["choices"]![0]!["finish_reason"] == "length") Assert.StartsWith("{", text, StringComparison.Ordinal);
        else Assert.Equal(JsonValueKind.Object, JsonNode.Parse(text)!.GetValueKind());
    }

    [Theory]
    [InlineData("\"required\"")]
    [InlineData("{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"}}")]
    public async Task ARequiredCallIsMade(string choice)
    {
        var body = "{" + Ask + "," + Weather + $",\"parallel_tool_calls\":false,\"tool_choice\":{choice}}}";
        var answer = (await workers.Real.AnswerAsync("/v1/chat/completions", body))["choices"]![0]!;
        Assert.Equal("tool_calls", (string?)answer["finish_reason"]);
        Assert.Null(answer["message"]!["content"]);
        var call = Assert.Single(answer["message"]!["tool_calls"]!.AsArray())!;
        Assert.StartsWith("call_", (string?)call["id"], StringComparison.Ordinal);
        Assert.Equal("function", (string?)call["type"]);
        var arguments = JsonNode.Parse((string)call["function"]!["arguments"]!)!.AsObject();
        if ((string?)call["function"]!["name"] == "get_weather") Assert.InRange((int)arguments["days"]!, 1, 7);
        else Assert.Empty(arguments);
        if (choice[0] == '{') Assert.Equal("get_weather", (string?)call["function"]!["name"]);
    }

    [Fact]
    public async Task AStreamedCallIsTheBlockingOne()
    {
        const string body = "{" + Ask + "," + OneCall;
        var whole = (await workers.Real.AnswerAsync("/v1/chat/completions", body + "}"))["choices"]![0]!;
        var events = await workers.Real.EventsAsync("/v1/chat/completions", body + ",\"stream\":true}");
        Assert.Equal("tool_calls", (string?)events[^1]["choices"]![0]!["finish_reason"]);
        var pieces = events.SelectMany(item => item["choices"]![0]!["delta"]!["tool_calls"]?.AsArray() ?? []).ToList();
        Assert.All(pieces, piece => Assert.Equal(0, (int)piece!["index"]!));
        Assert.NotNull(pieces[0]!["id"]);
        Assert.All(pieces.Skip(1), piece => Assert.Null(piece!["id"]));
        Assert.True(pieces.Count > 3, "the arguments came in pieces");
        var function = whole["message"]!["tool_calls"]![0]!["function"]!;
        Assert.Equal((string?)function["name"], (string?)pieces[0]!["function"]!["name"]);
        Assert.Equal((string?)function["arguments"], string.Concat(pieces.Select(piece => (string?)piece!["function"]!["arguments"])));
        Assert.Equal("", Content(events));
    }

    [Fact]
    public async Task AutoGivesACallOrText()
    {
        const string body = "{" + Ask + "," + Weather + ",\"tool_choice\":\"auto\"}";
        var message = (await workers.Real.AnswerAsync("/v1/chat/completions", body))["choices"]![0]!["message"]!;
        Assert.True(message["content"] is not null ^ message["tool_calls"] is not null, message.ToJsonString());
        // The generic form is our own: nothing of it is for the client.
        Assert.DoesNotContain("\"response\"", (string?)message["content"] ?? "", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "\"Whill\"", "<|im_start|>assistant\nWhill")]
    [InlineData(",\"add_generation_prompt\":false,\"continue_final_message\":true", "\"Whill\"", "<|im_start|>assistant\nWhill")]
    [InlineData("", "[{\"type\":\"text\",\"text\":\"Wh\"},{\"type\":\"text\",\"text\":\"ill\"}]", "<|im_start|>assistant\nWh\n\nill")]
    [InlineData(",\"add_generation_prompt\":false", "\"Whill\"", "<|im_start|>assistant\nWhill<|im_end|>\n")]
    [InlineData(",\"continue_final_message\":false", "\"Whill\"", "<|im_start|>assistant\nWhill<|im_end|>\n<|im_start|>assistant\n")]
    public async Task ALastMessageByTheAssistantIsGoneOnFrom(string fields, string content, string end)
    {
        var body = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":" + content + "}]" + fields + "}";
        Assert.Equal("<|im_start|>user\nhi<|im_end|>\n" + end, (string?)(await workers.Tiny.AnswerAsync("/apply-template", body))["prompt"]);
    }

    [Fact]
    public async Task GoingOnExcludesAPromptForAnAnswer()
    {
        const string Body = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"a\"}],\"add_generation_prompt\":true,\"continue_final_message\":true}";
        var (response, answer) = await workers.Tiny.PostAsync("/v1/chat/completions", Body);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("continue_final_message", (string?)answer["error"]!["param"]);
    }

    [Fact]
    public async Task ToolsThatMayNotBeCalledChangeNothing()
    {
        const string Bare = "{" + Ask + "}";
        const string None = "{" + Ask + "," + Weather + ",\"tool_choice\":\"none\"}";

        // The prompts are compared, and that nothing is parsed as a call: two answers may differ by the rounding of the batches that they were computed in.
        Assert.Equal((string?)(await workers.Real.AnswerAsync("/apply-template", Bare))["prompt"], (string?)(await workers.Real.AnswerAsync("/apply-template", None))["prompt"]);
        var message = (await workers.Real.AnswerAsync("/v1/chat/completions", None))["choices"]![0]!["message"]!;
        Assert.NotEqual("", (string?)message["content"]);
        Assert.Null(message["tool_calls"]);
    }

    [Fact]
    public async Task ACallsResultIsPartOfTheConversation()
    {
        const string conversation = """
            {"messages":[{"role":"user","content":"Weather in Paris?"},
              {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Paris\",\"days\":1}"}}]},
              {"role":"tool","tool_call_id":"call_1","content":[{"type":"text","text":"Fair, 21 degrees."}]}],"max_tokens":40,"temperature":0
            """;
        var prompt = (string)(await workers.Real.AnswerAsync("/apply-template", conversation + "," + Weather + "}"))["prompt"]!;
        Assert.Contains("{\"tool_call\": {\"name\": \"get_weather\", \"arguments\": {\"city\":\"Paris\",\"days\":1}}}", prompt, StringComparison.Ordinal);
        Assert.Contains("Result of get_weather:\nFair, 21 degrees.", prompt, StringComparison.Ordinal);
        await workers.Real.AnswerAsync("/v1/chat/completions", conversation + "," + Weather + "}");
        await workers.Real.AnswerAsync("/v1/chat/completions", conversation + "}");
    }

    [Fact]
    public async Task LogprobsGoWithTheTokensOfACall()
    {
        const string body = "{" + Ask + "," + OneCall + ",\"logprobs\":true,\"top_logprobs\":1";
        var whole = await workers.Real.AnswerAsync("/v1/chat/completions", body + "}");
        // The token that ends the answer has no text and is not among them.
        Assert.Equal((int)whole["usage"]!["completion_tokens"]! - 1, whole["choices"]![0]!["logprobs"]!["content"]!.AsArray().Count);
        var events = await workers.Real.EventsAsync("/v1/chat/completions", body + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
        var streamed = events.SkipLast(1).Sum(item => item["choices"]![0]!["logprobs"]?["content"]?.AsArray().Count ?? 0);
        Assert.Equal((int)events[^1]["usage"]!["completion_tokens"]! - 1, streamed);
    }

    [Theory]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]", "tools[0].function.name")]
    [InlineData("\"tools\":[{\"type\":\"web_search\"}]", "tools[0].type")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\",\"pattern\":\"(a)\\\\1\"}}}}}]", "tools[0].function.parameters.properties.x.pattern")]
    [InlineData("\"tool_choice\":\"required\"", "tool_choice")]
    [InlineData("\"tools\":[],\"tool_choice\":\"sometimes\"", "tool_choice")]
    [InlineData("\"response_format\":{}", "response_format.type")]
    [InlineData("\"response_format\":{\"type\":\"xml\"}", "response_format.type")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\"}", "response_format.json_schema")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\"}}", "response_format.json_schema.schema")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"type\":\"string\",\"format\":\"colour\"}}}", "response_format.json_schema.schema.format")]
    [InlineData("\"response_format\":{\"type\":\"json_object\"},\"grammar\":\"root ::= [a]\"", "grammar")]
    [InlineData("\"response_format\":{\"type\":\"json_object\"},\"ignore_eos\":true", "ignore_eos")]
    [InlineData("\"response_format\":{\"type\":\"json_object\"}," + Weather, "response_format")]
    [InlineData("\"functions\":[{\"name\":\"f\"}]", "functions")]
    public async Task WhatCannotBeHeldIsRefusedByPath(string fields, string param)
    {
        var (response, answer) = await workers.Tiny.PostAsync("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," + fields + "}");
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(param, (string?)answer["error"]!["param"]);
        Assert.Contains($"'{param}'", (string?)answer["error"]!["message"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"role\":\"tool\",\"content\":\"x\"}", "messages[0].tool_call_id")]
    [InlineData("{\"role\":\"user\",\"content\":\"x\",\"tool_calls\":[]}", "messages[0].tool_calls")]
    [InlineData("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\"}]}", "messages[0].tool_calls[0].function")]
    public async Task MessagesWithBrokenCallsAreRefusedByPath(string message, string param)
    {
        var (response, answer) = await workers.Tiny.PostAsync("/v1/chat/completions", $"{{\"messages\":[{message}]}}");
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(param, (string?)answer["error"]!["param"]);
    }

    /// <summary>It once ended the loop, and with it the worker.</summary>
    [Fact]
    public async Task AGrammarThatLeavesNoTokenEndsItsOwnRequestOnly()
    {
        var (response, answer) = await workers.Tiny.PostAsync("/v1/completions", "{\"prompt\":\"a\",\"grammar\":\"root ::= \\\"a\\\"\",\"ignore_eos\":true,\"max_tokens\":9}");
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("no_token_left", (string?)answer["error"]!["code"]);
        await workers.Tiny.AnswerAsync("/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":1}");
    }

    private static string Content(List<JsonNode> events) => string.Concat(events.Select(item => (string?)item["choices"]![0]!["delta"]!["content"]));
}
