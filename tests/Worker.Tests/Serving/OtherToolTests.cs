using System.Net;
using System.Net.ServerSentEvents;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Serving;

/// <summary>Tools of /v1/messages and /v1/responses on the real model.</summary>
[Collection<ServedCollection>]
public class OtherToolTests(SharedWorkers workers)
{
    private const string Schema = "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\",\"maxLength\":12}},\"required\":[\"city\"]}";

    private const string Message = "{\"max_tokens\":90,\"temperature\":0,\"messages\":[{\"role\":\"user\",\"content\":\"Weather in Paris?\"}],\"tools\":[{\"name\":\"get_weather\",\"description\":\"The weather.\",\"input_schema\":"
        + Schema + "}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"get_weather\",\"disable_parallel_tool_use\":true}";

    private const string Response = "{\"max_output_tokens\":90,\"temperature\":0,\"input\":\"Weather in Paris?\",\"tools\":[{\"type\":\"function\",\"name\":\"get_weather\",\"parameters\":"
        + Schema + ",\"strict\":true}],\"tool_choice\":{\"type\":\"function\",\"name\":\"get_weather\"},\"parallel_tool_calls\":false";

    [Fact]
    public async Task AToolIsUsedInAnthropicsShape()
    {
        var answer = await workers.Real.AnswerAsync("/v1/messages", Message + "}");
        Assert.Equal("tool_use", (string?)answer["stop_reason"]);
        var block = Assert.Single(answer["content"]!.AsArray())!;
        Assert.Equal("tool_use", (string?)block["type"]);
        Assert.StartsWith("toolu_", (string?)block["id"], StringComparison.Ordinal);
        Assert.Equal("get_weather", (string?)block["name"]);
        Assert.NotNull((string?)block["input"]!["city"]);

        var events = await EventsAsync("/v1/messages", Message + ",\"stream\":true}");
        Assert.Equal("message_start,content_block_start,content_block_delta,content_block_stop,message_delta,message_stop", string.Join(',', events.Select(item => item.Name).Distinct()));
        Assert.Equal("{}", events[1].Data["content_block"]!["input"]!.ToJsonString());
        var input = string.Concat(events.Where(item => item.Name == "content_block_delta").Select(item => (string?)item.Data["delta"]!["partial_json"]));
        Assert.NotNull(JsonNode.Parse(input)!["city"]);
        Assert.Equal("tool_use", (string?)events[^2].Data["delta"]!["stop_reason"]);
    }

    [Fact]
    public async Task ResultsOfToolsAreTaken()
    {
        const string body = """
            {"max_tokens":20,"messages":[{"role":"user","content":"Weather?"},
             {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Wait."},{"type":"tool_use","id":"t1","name":"get_weather","input":{"city":"Rome"}}]},
             {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"Rain."}],"is_error":false},{"type":"text","text":"So?"}]}]}
            """;
        await workers.Real.AnswerAsync("/v1/messages", body);
        const string items = """
            {"max_output_tokens":20,"input":[{"role":"user","content":"Weather?"},{"type":"reasoning","id":"r","summary":[]},{"type":"function_call","call_id":"c1","name":"get_weather","arguments":"{\"city\":\"Rome\"}"},
             {"type":"function_call_output","call_id":"c1","output":"Rain."},{"type":"message","role":"user","content":[{"type":"input_text","text":"So?"}]}]}
            """;
        await workers.Real.AnswerAsync("/v1/responses", items);
    }

    [Fact]
    public async Task AFunctionIsCalledInTheResponsesShape()
    {
        var answer = await workers.Real.AnswerAsync("/v1/responses", Response + "}");
        Assert.Equal("completed", (string?)answer["status"]);
        var item = Assert.Single(answer["output"]!.AsArray())!;
        Assert.Equal("function_call", (string?)item["type"]);
        Assert.Equal("get_weather", (string?)item["name"]);
        Assert.NotNull(JsonNode.Parse((string)item["arguments"]!)!["city"]);
        Assert.Equal("get_weather", (string?)answer["tools"]![0]!["name"]);

        var events = await EventsAsync("/v1/responses", Response + ",\"stream\":true}");
        Assert.Equal(
            "created,in_progress,output_item.added,function_call_arguments.delta,function_call_arguments.done,output_item.done,completed",
            string.Join(',', events.Select(item => item.Name["response.".Length..]).Distinct()));
        var arguments = string.Concat(events.Where(item => item.Name.EndsWith("arguments.delta", StringComparison.Ordinal)).Select(item => (string?)item.Data["delta"]));
        Assert.Equal(arguments, (string?)events[^1].Data["response"]!["output"]![0]!["arguments"]);
        Assert.NotNull(JsonNode.Parse(arguments)!["city"]);
    }

    [Fact]
    public async Task AResponseIsADocumentOfTheSchema()
    {
        var answer = await workers.Real.AnswerAsync("/v1/responses", "{\"max_output_tokens\":60,\"input\":\"A city.\",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"x\",\"strict\":true,\"schema\":" + Schema + "}}}");
        Assert.NotNull(JsonNode.Parse((string)answer["output"]![0]!["content"]![0]!["text"]!)!["city"]);
        Assert.Equal("json_schema", (string?)answer["text"]!["format"]!["type"]);
    }

    [Theory]
    [InlineData("/v1/messages", "\"tools\":[{\"name\":\"a b\",\"input_schema\":{}}]", "tools[0].name")]
    [InlineData("/v1/messages", "\"tools\":[{\"name\":\"a\"}]", "tools[0].input_schema")]
    [InlineData("/v1/messages", "\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"}]", "tools[0].type")]
    [InlineData("/v1/messages", "\"tools\":[{\"name\":\"a\",\"strict\":true,\"input_schema\":{\"type\":\"object\",\"properties\":{\"x\":{\"format\":\"colour\",\"type\":\"string\"}}}}]", "tools[0].input_schema.properties.x.format")]
    [InlineData("/v1/messages", "\"tool_choice\":{\"type\":\"tool\"}", "tool_choice.name")]
    [InlineData("/v1/messages", "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":5}", "thinking.budget_tokens")]
    [InlineData("/v1/messages", "\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}]", "messages[0].content[0].type")]
    [InlineData("/v1/messages", "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\"}]}]", "messages[0].content[0].tool_use_id")]
    [InlineData("/v1/responses", "\"tools\":[{\"type\":\"function\",\"name\":\"a\",\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":{\"x\":{\"format\":\"colour\",\"type\":\"string\"}}}}]", "tools[0].parameters.properties.x.format")]
    [InlineData("/v1/responses", "\"tool_choice\":\"required\"", "tool_choice")]
    [InlineData("/v1/responses", "\"text\":{\"format\":{\"type\":\"json_schema\"}}", "text.format.schema")]
    [InlineData("/v1/responses", "\"input\":[{\"type\":\"item_reference\",\"id\":\"a\"}]", "input[0].type")]
    [InlineData("/v1/responses", "\"reasoning\":{\"effort\":\"low\"}", "reasoning.effort")]
    public async Task WhatCannotBeHeldIsRefusedByPath(string path, string fields, string param)
    {
        var rest = path == "/v1/messages" ? "\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]" : "\"input\":\"x\"";
        var body = fields.Contains("\"messages\"", StringComparison.Ordinal) || fields.Contains("\"input\":", StringComparison.Ordinal) ? $"{{{fields}}}" : $"{{{rest},{fields}}}";
        var (response, answer) = await workers.Tiny.PostAsync(path, body);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(param, (string?)answer["error"]!["param"]);
    }

    private async Task<List<(string Name, JsonNode Data)>> EventsAsync(string path, string body)
    {
        using var response = await workers.Real.Http.PostAsync(path, WorkerUnderTest.Content(body));
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        var events = new List<(string, JsonNode)>();
        await foreach (var item in SseParser.Create(await response.Content.ReadAsStreamAsync()).EnumerateAsync()) events.Add((item.EventType, JsonNode.Parse(item.Data)!));
        return events;
    }
}
