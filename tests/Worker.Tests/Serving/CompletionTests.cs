using System.Net;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Serving;

[Collection<ServedCollection>]
public class CompletionTests(SharedWorkers workers)
{
    private const string Chat = "/v1/chat/completions";
    private const string Text = "/v1/completions";

    [Fact]
    public async Task AChatAnswerHasOpenAisShape()
    {
        var answer = await workers.Real.AnswerAsync(Chat, ChatBody("What is the capital of France?", 16));
        Assert.Equal("chat.completion", (string?)answer["object"]);
        Assert.Equal("SmolLM2-135M-Instruct.Q4_1.gguf", (string?)answer["model"]);
        Assert.StartsWith("chatcmpl-", (string?)answer["id"], StringComparison.Ordinal);
        Assert.Equal("assistant", (string?)answer["choices"]![0]!["message"]!["role"]);
        Assert.Equal("length", (string?)answer["choices"]![0]!["finish_reason"]);
        Assert.Equal(37, (int)answer["usage"]!["prompt_tokens"]!);
        Assert.Equal(16, (int)answer["usage"]!["completion_tokens"]!);
        Assert.Equal(53, (int)answer["usage"]!["total_tokens"]!);
        Assert.Equal(16, (int)answer["timings"]!["predicted_n"]!);
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.9)]
    public async Task AStreamSaysTheSameAsAWholeAnswer(double temperature)
    {
        foreach (var worker in (WorkerUnderTest[])[workers.Real, workers.Tiny])
        {
            var body = ChatBody("Tell me something about 🐈 and naïveté.", 40, temperature);
            body["cache_prompt"] = false;
            var whole = await worker.AnswerAsync(Chat, body);
            body["stream"] = true;
            body["stream_options"] = new JsonObject { ["include_usage"] = true };
            var events = await worker.EventsAsync(Chat, body);
            Assert.Equal((string?)whole["choices"]![0]!["message"]!["content"], Joined(events));
            Assert.Equal("assistant", (string?)events[0]["choices"]![0]!["delta"]!["role"]);
            Assert.Equal((string?)whole["choices"]![0]!["finish_reason"], (string?)events[^2]["choices"]![0]!["finish_reason"]);
            Assert.Equal(whole["usage"]!.ToJsonString(), events[^1]["usage"]!.ToJsonString());
            Assert.Empty(events[^1]["choices"]!.AsArray());
        }
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(1.2)]
    public async Task EightAtOnceSayWhatEachSaysAlone(double temperature)
    {
        var bodies = Enumerable.Range(0, 8).Select(i => ChatBody($"Write a line about the number {i}.", 64, temperature)).ToArray();
        for (var i = 0; i < bodies.Length; i++) bodies[i]["seed"] = 100 + i;
        var alone = new List<string>();
        await using (var worker = await SharedWorkers.ExactAsync())
        {
            foreach (var body in bodies) alone.Add(Content(await worker.AnswerAsync(Chat, body)));
        }

        await using var fresh = await SharedWorkers.ExactAsync();
        var together = await Task.WhenAll(bodies.Select(async body => Joined(await fresh.EventsAsync(Chat, Streaming(body)))));
        Assert.Equal(alone, together);
        var (steps, tokens) = (await fresh.MetricAsync("llamacpp:n_decode_total"), await fresh.MetricAsync("llamacpp:tokens_predicted_total"));
        Assert.True(steps < tokens, $"{steps} steps for {tokens} tokens: nothing was computed together");
    }

    [Fact]
    public async Task EightAtOnceOnAnyModelDifferByRoundingAlone()
    {
        var bodies = Enumerable.Range(0, 8).Select(i => WithLogprobs(ChatBody($"Write a line about the number {i}.", 24))).ToArray();
        var alone = new List<JsonNode>();
        foreach (var body in bodies) alone.Add(await workers.Tiny.AnswerAsync(Chat, body));
        Rounding.AssertSame(alone, await Task.WhenAll(bodies.Select(body => workers.Tiny.AnswerAsync(Chat, body))), Rounding.OfFloats);
    }

    [Fact]
    public async Task ACachedPrefixSaysTheSameAsAColdOne()
    {
        // One answer alone may have its near tie at the beginning.
        var (colds, warms) = (new List<JsonNode>(), new List<JsonNode>());
        foreach (var question in (string[])["Count the planets and name each of them.", "What is the capital of France?", "Name three animals.", "Say hello to Anna."])
        {
            var body = WithLogprobs(ChatBody(question, 24));
            body["cache_prompt"] = false;
            colds.Add(await workers.Real.AnswerAsync(Chat, body));
            Assert.Equal(0, (int)colds[^1]["usage"]!["prompt_tokens_details"]!["cached_tokens"]!);
            body["cache_prompt"] = true;
            await workers.Real.AnswerAsync(Chat, body);
            warms.Add(await workers.Real.AnswerAsync(Chat, body));
            Assert.Equal((int)warms[^1]["usage"]!["prompt_tokens"]! - 1, (int)warms[^1]["usage"]!["prompt_tokens_details"]!["cached_tokens"]!);
        }

        Rounding.AssertSame(colds, warms, Rounding.OfQuants);
    }

    [Fact]
    public async Task ACachedPrefixHasTheSameBits()
    {
        await using var worker = await SharedWorkers.ExactAsync();
        var body = ChatBody("Count the planets and name each of them.", 64, 1.2);
        var cold = await worker.AnswerAsync(Chat, body);
        var warm = await worker.AnswerAsync(Chat, body);
        Assert.Equal((int)warm["usage"]!["prompt_tokens"]! - 1, (int)warm["usage"]!["prompt_tokens_details"]!["cached_tokens"]!);
        Assert.Equal(Content(cold), Content(warm));
    }

    [Fact]
    public async Task TheSameSeedSaysTheSameAndAnotherSomethingElse()
    {
        var texts = new List<string>();
        foreach (var seed in (int[])[1, 1, 2])
        {
            var body = ChatBody("Tell me a story.", 24, 1.0);
            body["seed"] = seed;
            body["cache_prompt"] = false;
            texts.Add(Content(await workers.Real.AnswerAsync(Chat, body)));
        }

        Assert.Equal(texts[0], texts[1]);
        Assert.NotEqual(texts[0], texts[2]);
    }

    [Fact]
    public async Task AStopStringEndsTheTextAcrossTokenBorders()
    {
        var body = ChatBody("What is 2+2?", 40);
        // Not wavered about (0.6 nats to the second choice), and computed in one shape: a cached prompt rounds otherwise.
        body["cache_prompt"] = false;
        var plain = Content(await workers.Real.AnswerAsync(Chat, body));
        // Somewhere in the middle, from within one word to within the next: several tokens.
        var at = plain.IndexOf(' ', plain.Length / 2);
        var stop = plain[(at - 2)..(at + 3)];
        body["stop"] = new JsonArray("never said", stop);
        var answer = await workers.Real.AnswerAsync(Chat, body);
        var expected = plain[..plain.IndexOf(stop, StringComparison.Ordinal)];
        Assert.Equal(expected, Content(answer));
        Assert.Equal("stop", (string?)answer["choices"]![0]!["finish_reason"]);
        var events = await workers.Real.EventsAsync(Chat, Streaming(body));
        Assert.Equal(expected, Joined(events));
        Assert.Equal("stop", (string?)events[^1]["choices"]![0]!["finish_reason"]);
    }

    [Fact]
    public async Task NoChunkHoldsHalfACharacter()
    {
        // A tiny random model says arbitrary bytes, so that most characters are cut or broken.
        foreach (var seed in Enumerable.Range(0, 5))
        {
            var body = ChatBody("😀😀😀 漢字", 80, 1.0);
            body["seed"] = seed;
            body["ignore_eos"] = true;
            body["cache_prompt"] = false;
            var whole = Content(await workers.Tiny.AnswerAsync(Chat, body));
            Assert.Equal(whole, Joined(await workers.Tiny.EventsAsync(Chat, Streaming(body))));
        }
    }

    [Fact]
    public async Task EmojiGoThroughTheTokenizerAndBack()
    {
        const string text = "😀 naïve 漢字 👩‍👩‍👧";
        foreach (var worker in (WorkerUnderTest[])[workers.Real, workers.Tiny])
        {
            var tokens = (await worker.AnswerAsync("/tokenize", new { content = text }))["tokens"]!;
            Assert.Equal(text, (string?)(await worker.AnswerAsync("/detokenize", new JsonObject { ["tokens"] = tokens.DeepClone() }))["content"]);
        }
    }

    [Fact]
    public async Task ACancelledStreamFreesItsSequenceWithinAToken()
    {
        using var cancel = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Post, Text)
        {
            Content = WorkerUnderTest.Content(new { prompt = "Once", ignore_eos = true, stream = true, max_tokens = 100_000 }),
        };
        var response = await workers.Real.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await WorkerUnderTest.EventuallyAsync(async () => await workers.Real.MetricAsync("llamacpp:requests_processing") == 1);
        response.Dispose();
        await WorkerUnderTest.EventuallyAsync(async () => await workers.Real.MetricAsync("llamacpp:requests_processing") == 0);
        var decodes = await workers.Real.MetricAsync("llamacpp:n_decode_total");
        await workers.Real.AnswerAsync(Text, new { prompt = "Twice", max_tokens = 3 });
        Assert.InRange(await workers.Real.MetricAsync("llamacpp:n_decode_total"), decodes + 3, decodes + 4);
    }

    [Fact]
    public async Task SeveralPromptsAndAnswersComeInOrder()
    {
        var body = new JsonObject { ["prompt"] = new JsonArray("Once upon", "The sky is"), ["n"] = 2, ["max_tokens"] = 4, ["temperature"] = 0, ["echo"] = true };
        var choices = (await workers.Real.AnswerAsync(Text, body))["choices"]!.AsArray();
        Assert.Equal([0, 1, 2, 3], choices.Select(choice => (int)choice!["index"]!));
        Assert.All(choices.Take(2), choice => Assert.StartsWith("Once upon", (string?)choice!["text"], StringComparison.Ordinal));
        Assert.All(choices.Skip(2), choice => Assert.StartsWith("The sky is", (string?)choice!["text"], StringComparison.Ordinal));
        var tokens = (await workers.Real.AnswerAsync("/tokenize", new { content = "The sky is", add_special = true }))["tokens"]!.DeepClone();
        var byTokens = await workers.Real.AnswerAsync(Text, new JsonObject { ["prompt"] = tokens, ["max_tokens"] = 4, ["temperature"] = 0, ["echo"] = true });
        // What follows is computed in another shape, which rounds otherwise.
        Assert.StartsWith("The sky is", TextOf(byTokens), StringComparison.Ordinal);
        Assert.Equal(tokens.AsArray().Count, (int)byTokens["usage"]!["prompt_tokens"]!);
    }

    [Fact]
    public async Task LogprobsAreAProbabilityDistribution()
    {
        var body = ChatBody("Name a colour.", 5);
        body["logprobs"] = true;
        body["top_logprobs"] = 20;
        var entries = (await workers.Real.AnswerAsync(Chat, body))["choices"]![0]!["logprobs"]!["content"]!.AsArray();
        Assert.Equal(5, entries.Count);
        foreach (var entry in entries)
        {
            var top = entry!["top_logprobs"]!.AsArray().Select(alternative => (double)alternative!["logprob"]!).ToArray();
            Assert.Equal(20, top.Length);
            Assert.Equal(top.OrderDescending(), top);
            Assert.InRange(top.Sum(Math.Exp), 0.05, 1.0001);
            Assert.Equal(top[0], (double)entry["logprob"]!, 5);
        }

        body["stream"] = true;
        var streamed = (await workers.Real.EventsAsync(Chat, body)).SelectMany(item => item["choices"]![0]!["logprobs"]?["content"]?.AsArray() ?? []);
        Assert.Equal(entries.Select(entry => (string?)entry!["token"]), streamed.Select(entry => (string?)entry!["token"]));
    }

    [Fact]
    public async Task BiasAndPenaltiesSteerTheAnswer()
    {
        var body = new JsonObject { ["prompt"] = "The capital of France is", ["max_tokens"] = 1, ["temperature"] = 0 };
        Assert.Equal(" Paris", TextOf(await workers.Real.AnswerAsync(Text, body)));
        var paris = (int)(await workers.Real.AnswerAsync("/tokenize", new { content = " Paris" }))["tokens"]![0]!;
        body["logit_bias"] = new JsonObject { [$"{paris}"] = -100 };
        Assert.NotEqual(" Paris", TextOf(await workers.Real.AnswerAsync(Text, body)));
    }

    [Fact]
    public async Task AGrammarBindsTheAnswer()
    {
        var body = ChatBody("Is water wet?", 20, 1.0);
        body["grammar"] = "root ::= (\"yes\" | \"no\") \"!\"";
        Assert.Matches("^(yes|no)!$", Content(await workers.Real.AnswerAsync(Chat, body)));
        body["grammar"] = "root ::= (";
        var (response, error) = await workers.Real.PostAsync(Chat, body);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("invalid_grammar", (string?)error["error"]!["code"]);
    }

    [Fact]
    public async Task APromptLongerThanTheContextIsAClear400()
    {
        var (response, body) = await workers.Real.PostAsync(Text, new { prompt = string.Concat(Enumerable.Repeat("word ", 5000)) });
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("context_length_exceeded", (string?)body["error"]!["code"]);
        Assert.Contains("4096", (string?)body["error"]!["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task EveryAnswerNamesModelAndVersion()
    {
        var (response, body) = await workers.Tiny.PostAsync(Text, new { prompt = "a", max_tokens = 1 });
        Assert.Equal("v7", response.Headers.GetValues("x-finercut-version").Single());
        Assert.Equal("tiny", (string?)body["model"]);
        Assert.Contains("v7", (string?)body["system_fingerprint"], StringComparison.Ordinal);
        var models = JsonNode.Parse(await workers.Tiny.Http.GetStringAsync("/v1/models"))!;
        Assert.Equal("tiny", (string?)models["data"]![0]!["id"]);
        Assert.Equal(["tiny", "small"], models["data"]![0]!["aliases"]!.AsArray().Select(alias => (string?)alias));
        var props = JsonNode.Parse(await workers.Tiny.Http.GetStringAsync("/props"))!;
        Assert.Equal(8, (int)props["total_slots"]!);
    }

    private static JsonObject ChatBody(string content, int most, double temperature = 0) => new()
    {
        ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = content }),
        ["max_tokens"] = most,
        ["temperature"] = temperature,
        ["seed"] = 42,
    };

    private static JsonObject WithLogprobs(JsonObject body)
    {
        body["logprobs"] = true;
        body["top_logprobs"] = 8;
        return body;
    }

    private static JsonObject Streaming(JsonObject body)
    {
        var streaming = body.DeepClone().AsObject();
        streaming["stream"] = true;
        return streaming;
    }

    private static string Content(JsonNode answer) => (string)answer["choices"]![0]!["message"]!["content"]!;

    private static string TextOf(JsonNode answer) => (string)answer["choices"]![0]!["text"]!;

    private static string Joined(IEnumerable<JsonNode> events) => string.Concat(events.Select(item =>
        item["choices"]!.AsArray() is { Count: > 0 } choices ? (string?)choices[0]!["delta"]!["content"] : ""));
}
