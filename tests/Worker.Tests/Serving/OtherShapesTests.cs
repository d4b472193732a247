using System.Net;
using System.Net.ServerSentEvents;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Serving;

/// <summary>/v1/messages and /v1/responses.</summary>
[Collection<ServedCollection>]
public class OtherShapesTests(SharedWorkers workers)
{
    /// <summary>The model does not waver about its answer (1.1 nats to the second choice): answers are compared, and batches of another shape round otherwise.</summary>
    private const string Question = "Write 1, 2, 3, 4, 5, 6, 7, 8 and so on.";

    private static readonly JsonObject Message = new()
    {
        ["model"] = "any",
        ["max_tokens"] = 12,
        ["temperature"] = 0,
        ["system"] = "You are brief.",
        ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = Question }),
    };

    private static readonly JsonObject Response = new()
    {
        ["model"] = "any",
        ["max_output_tokens"] = 12,
        ["temperature"] = 0,
        ["instructions"] = "You are brief.",
        ["input"] = Question,
    };

    [Fact]
    public async Task AMessageIsTheChatAnswerInAnthropicsShape()
    {
        var answer = await workers.Real.AnswerAsync("/v1/messages", Message);
        Assert.Equal("message", (string?)answer["type"]);
        Assert.Equal("max_tokens", (string?)answer["stop_reason"]);
        Assert.Equal(12, (int)answer["usage"]!["output_tokens"]!);
        Assert.Equal(await ChatText(), (string?)answer["content"]![0]!["text"]);
        Assert.Null(answer["timings"]);
    }

    [Fact]
    public async Task MessageEventsComeInAnthropicsOrder()
    {
        var whole = await workers.Real.AnswerAsync("/v1/messages", Message);
        var events = await EventsAsync("/v1/messages", Message);
        Assert.All(events, item => Assert.Equal(item.EventType, (string?)item.Data["type"]));
        Assert.Equal(["message_start", "content_block_start"], events.Take(2).Select(item => item.EventType));
        Assert.Equal(["content_block_stop", "message_delta", "message_stop"], events.TakeLast(3).Select(item => item.EventType));
        var text = string.Concat(events.Skip(2).SkipLast(3).Select(item => (string?)item.Data["delta"]!["text"]));
        Assert.Equal((string?)whole["content"]![0]!["text"], text);
        Assert.Equal("max_tokens", (string?)events[^2].Data["delta"]!["stop_reason"]);
    }

    [Fact]
    public async Task AStopSequenceIsNamed()
    {
        var text = (string)(await workers.Real.AnswerAsync("/v1/messages", Message))["content"]![0]!["text"]!;
        var body = Message.DeepClone();
        var stop = text.Substring(text.Length / 2, 3);
        body["stop_sequences"] = new JsonArray(stop);
        var answer = await workers.Real.AnswerAsync("/v1/messages", body);
        Assert.Equal("stop_sequence", (string?)answer["stop_reason"]);
        Assert.Equal(stop, (string?)answer["stop_sequence"]);
    }

    [Fact]
    public async Task TokensAreCountedAsTheyAreServed()
    {
        var count = (int)(await workers.Real.AnswerAsync("/v1/messages/count_tokens", Message))["input_tokens"]!;
        var usage = (await workers.Real.AnswerAsync("/v1/messages", Message))["usage"]!;
        Assert.Equal(count, (int)usage["input_tokens"]! + (int)usage["cache_read_input_tokens"]!);
    }

    [Fact]
    public async Task AnAnswerGoesOnFromTheAssistantsLastWords()
    {
        var body = Message.DeepClone();
        body["messages"]!.AsArray().Add(new JsonObject { ["role"] = "assistant", ["content"] = "The capital of France is" });
        body["max_tokens"] = 1;
        Assert.Equal(" Paris", (string?)(await workers.Real.AnswerAsync("/v1/messages", body))["content"]![0]!["text"]);
    }

    [Fact]
    public async Task ErrorsHaveAnthropicsShapeToo()
    {
        var (response, answer) = await workers.Tiny.PostAsync("/v1/messages", new { max_tokens = 0, messages = Array.Empty<int>() });
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("error", (string?)answer["type"]);
        Assert.Equal("invalid_request_error", (string?)answer["error"]!["type"]);
        Assert.Contains("max_tokens", (string?)answer["error"]!["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task AResponseIsTheChatAnswerInTheNewShape()
    {
        var answer = await workers.Real.AnswerAsync("/v1/responses", Response);
        Assert.Equal("response", (string?)answer["object"]);
        Assert.Equal("incomplete", (string?)answer["status"]);
        Assert.Equal("max_output_tokens", (string?)answer["incomplete_details"]!["reason"]);
        Assert.Equal(await ChatText(), (string?)answer["output"]![0]!["content"]![0]!["text"]);
        Assert.Equal(12, (int)answer["usage"]!["output_tokens"]!);
    }

    [Fact]
    public async Task ResponseEventsAreNumberedAndComplete()
    {
        var events = await EventsAsync("/v1/responses", Response);
        Assert.Equal(Enumerable.Range(0, events.Count), events.Select(item => (int)item.Data["sequence_number"]!));
        Assert.Equal(
            ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"], events.Take(4).Select(item => item.EventType));
        Assert.Equal(
            ["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.incomplete"],
            events.TakeLast(4).Select(item => item.EventType));
        var text = string.Concat(events.Where(item => item.EventType == "response.output_text.delta").Select(item => (string?)item.Data["delta"]));
        Assert.Equal(text, (string?)events[^1].Data["response"]!["output"]![0]!["content"]![0]!["text"]);
    }

    [Theory]
    [InlineData("{}", "input")]
    [InlineData("{\"input\":[]}", "input")]
    [InlineData("{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}]}", "input[0].content[0].type")]
    [InlineData("{\"input\":\"a\",\"previous_response_id\":\"resp_1\"}", "previous_response_id")]
    [InlineData("{\"input\":\"a\",\"tools\":[{\"type\":\"web_search\"}]}", "tools[0].type")]
    public async Task AResponsesBodyIsRefusedByPath(string body, string param)
    {
        var (response, answer) = await workers.Tiny.PostAsync("/v1/responses", body);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(param, (string?)answer["error"]!["param"]);
    }

    private async Task<string?> ChatText()
    {
        var body = new JsonObject
        {
            ["messages"] = new JsonArray(
                new JsonObject { ["role"] = "system", ["content"] = "You are brief." }, new JsonObject { ["role"] = "user", ["content"] = Question }),
            ["max_tokens"] = 12,
            ["temperature"] = 0,
        };
        return (string?)(await workers.Real.AnswerAsync("/v1/chat/completions", body))["choices"]![0]!["message"]!["content"];
    }

    private async Task<List<(string EventType, JsonNode Data)>> EventsAsync(string path, JsonObject body)
    {
        var streaming = body.DeepClone();
        streaming["stream"] = true;
        using var response = await workers.Real.Http.PostAsync(path, WorkerUnderTest.Content(streaming));
        Assert.True(response.IsSuccessStatusCode);
        var events = new List<(string, JsonNode)>();
        await foreach (var item in SseParser.Create(await response.Content.ReadAsStreamAsync()).EnumerateAsync()) events.Add((item.EventType, JsonNode.Parse(item.Data)!));
        return events;
    }
}
