using System.Net.ServerSentEvents;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Serving;

/// <summary>
/// Reasoning and calls in a family's own form, in the three shapes of answers. A tiny model writes noise, but under a grammar it can write only
/// one text: what that text becomes is what is tested.
/// </summary>
public sealed class FamilyTests : IAsyncLifetime
{
    /// <summary>ChatML as Hermes and Qwen 3 have it: tools in the system message, calls and reasoning in tags.</summary>
    private const string Template = """
        {%- if tools %}{{- '<|im_start|>system\n<tools>' }}{% for tool in tools %}{{- tool | tojson }}{% endfor %}{{- '</tools><|im_end|>\n' }}{% endif %}
        {%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' }}
        {%- if message.tool_calls %}{% for call in message.tool_calls %}{{- '<tool_call>{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}</tool_call>' }}{% endfor %}{% endif %}
        {%- if message.reasoning_content %}{{- '<think>' + message.reasoning_content + '</think>' }}{% endif %}{{- message.content + '<|im_end|>\n' }}{% endfor %}
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}
        """;

    private const string Thought = "\"grammar\":\"root ::= \\\"<think>hm, no</think>Well.\\\"\"";

    private readonly string _template = Path.GetTempFileName();
    private WorkerUnderTest _worker = null!;

    public async ValueTask InitializeAsync()
    {
        await File.WriteAllTextAsync(_template, Template);
        _worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--chat-template-file", _template);
    }

    public async ValueTask DisposeAsync()
    {
        await _worker.DisposeAsync();
        File.Delete(_template);
    }

    [Fact]
    public async Task ReasoningIsApartFromContent()
    {
        const string body = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," + Thought;
        var message = (await _worker.AnswerAsync("/v1/chat/completions", body + "}"))["choices"]![0]!["message"]!;
        Assert.Equal("hm, no", (string?)message["reasoning_content"]);
        Assert.Equal("Well.", (string?)message["content"]);
        var deltas = (await _worker.EventsAsync("/v1/chat/completions", body + ",\"stream\":true}")).Select(item => item["choices"]![0]!["delta"]!).ToList();
        Assert.Equal("hm, no", string.Concat(deltas.Select(delta => (string?)delta["reasoning_content"])));
        Assert.Equal("Well.", string.Concat(deltas.Select(delta => (string?)delta["content"])));
        var whole = (await _worker.AnswerAsync("/v1/chat/completions", body + ",\"reasoning_format\":\"none\"}"))["choices"]![0]!["message"]!;
        Assert.Equal("<think>hm, no</think>Well.", (string?)whole["content"]);
    }

    [Fact]
    public async Task ACallComesInTheFamilysForm()
    {
        const string body = """
            {"messages":[{"role":"user","content":"x"}],"tool_choice":"required","parallel_tool_calls":false,"max_tokens":200,"seed":3,
             "tools":[{"type":"function","function":{"name":"set","parameters":{"type":"object","properties":{"to":{"enum":["on","off"]}},"required":["to"]}}}]
            """;
        Assert.Contains("<tools>{\"type\": \"function\"", (string?)(await _worker.AnswerAsync("/apply-template", body + "}"))["prompt"], StringComparison.Ordinal);
        var choice = (await _worker.AnswerAsync("/v1/chat/completions", body + "}"))["choices"]![0]!;
        // The random model may think for all of its tokens.
        Assert.Contains((string?)choice["finish_reason"], (string[])["tool_calls", "length"]);
        if ((string?)choice["finish_reason"] == "length") return;
        var call = Assert.Single(choice["message"]!["tool_calls"]!.AsArray())!["function"]!;
        Assert.Equal("set", (string?)call["name"]);
        Assert.Contains((string?)JsonNode.Parse((string)call["arguments"]!)!["to"], (string[])["on", "off"]);
    }

    [Fact]
    public async Task ThinkingBlocksComeInAnthropicsOrder()
    {
        const string body = "{\"max_tokens\":99,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}," + Thought;
        var content = (await _worker.AnswerAsync("/v1/messages", body + "}"))["content"]!.AsArray();
        Assert.Equal(["thinking", "text"], content.Select(block => (string?)block!["type"]));
        Assert.Equal("hm, no", (string?)content[0]!["thinking"]);
        Assert.Equal("Well.", (string?)content[1]!["text"]);
        var events = await NamedAsync("/v1/messages", body + ",\"stream\":true}");
        Assert.All(events, item => Assert.Equal(item.Name, (string?)item.Data["type"]));
        Assert.Equal(
            ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"],
            Runs(events.Select(item => item.Name)));
        Assert.Equal([0, 1], events.Where(item => item.Name == "content_block_start").Select(item => (int)item.Data["index"]!));
        Assert.Equal(
            ["thinking_delta", "signature_delta", "text_delta"],
            Runs(events.Where(item => item.Name == "content_block_delta").Select(item => (string)item.Data["delta"]!["type"]!)));
    }

    [Fact]
    public async Task ThinkingIsSwitchedOffByTheTemplatesOwnSwitch()
    {
        var count = await Count("");
        Assert.True(await Count(",\"thinking\":{\"type\":\"disabled\"}") > count, "the template closes the reasoning");
        Assert.Equal(count, await Count(",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}"));

        async Task<int> Count(string more) => (int)(await _worker.AnswerAsync("/v1/messages/count_tokens", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]" + more + "}"))["input_tokens"]!;
    }

    [Fact]
    public async Task ReasoningItemsComeInTheResponsesOrder()
    {
        const string body = "{\"input\":\"x\"," + Thought;
        var output = (await _worker.AnswerAsync("/v1/responses", body + "}"))["output"]!.AsArray();
        Assert.Equal(["reasoning", "message"], output.Select(item => (string?)item!["type"]));
        Assert.Equal("hm, no", (string?)output[0]!["content"]![0]!["text"]);
        Assert.Equal("Well.", (string?)output[1]!["content"]![0]!["text"]);
        var events = await NamedAsync("/v1/responses", body + ",\"stream\":true}");
        Assert.Equal(
            [
                "created", "in_progress", "output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done", "output_item.done",
                "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed",
            ],
            Runs(events.Select(item => item.Name["response.".Length..])));
        Assert.Equal(Enumerable.Range(0, events.Count), events.Select(item => (int)item.Data["sequence_number"]!));
        Assert.Equal(output.Count, events[^1].Data["response"]!["output"]!.AsArray().Count);
    }

    private async Task<List<(string Name, JsonNode Data)>> NamedAsync(string path, string body)
    {
        using var response = await _worker.Http.PostAsync(path, WorkerUnderTest.Content(body));
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        var events = new List<(string, JsonNode)>();
        await foreach (var item in SseParser.Create(await response.Content.ReadAsStreamAsync()).EnumerateAsync()) events.Add((item.EventType, JsonNode.Parse(item.Data)!));
        return events;
    }

    /// <summary>Neighbours that are alike, once.</summary>
    private static List<string> Runs(IEnumerable<string> names)
    {
        var runs = new List<string>();
        foreach (var name in names)
        {
            if (runs.Count == 0 || runs[^1] != name) runs.Add(name);
        }

        return runs;
    }
}
