using System.Net;
using System.Text.Json.Nodes;
using FinerCut.TestModels;

namespace FinerCut.Tests.Serving;

/// <summary>Fields of llama-server's own that OpenAI does not have, as its test_completion, test_chat_completion, test_slot_save and test_embedding have them.</summary>
[Collection<ServedCollection>]
public class NativeTests(SharedWorkers workers)
{
    private const string Prompt = "the cat and the dog and the cat and the dog and the";

    [Fact]
    public async Task SeveralPromptsOfACompletionAreAnsweredByIndex()
    {
        await using var worker = await SharedWorkers.ExactAsync();
        string[] prompts = ["the cat and the dog", "a bird over the sea", "one two three"];
        var alone = new List<string>();
        foreach (var prompt in prompts) alone.Add((string)(await worker.AnswerAsync("/completion", new { prompt, n_predict = 6, temperature = 0, ignore_eos = true }))["content"]!);
        Assert.Equal(3, alone.Distinct().Count());
        var body = new JsonObject { ["prompt"] = new JsonArray([.. prompts.Select(prompt => (JsonNode)prompt)]), ["n_predict"] = 6, ["temperature"] = 0, ["ignore_eos"] = true };
        var all = (await worker.AnswerAsync("/completion", body)).AsArray();
        Assert.Equal(alone, all.Select(answer => (string?)answer!["content"]));
        Assert.Equal([0, 1, 2], all.Select(answer => (int)answer!["index"]!));
        Assert.Equal(prompts, all.Select(answer => (string?)answer!["prompt"]));

        body["stream"] = true;
        var events = await StreamAsync(worker, "/completion", body);
        for (var i = 0; i < prompts.Length; i++)
        {
            var own = events.Where(item => (int)item["index"]! == i).ToList();
            Assert.Equal(alone[i], string.Concat(own.Select(item => (string?)item["content"])));
            Assert.True((bool)own[^1]["stop"]!);
            Assert.Equal(prompts[i], (string?)own[^1]["prompt"]);
        }

        body = new JsonObject { ["prompt"] = Prompt, ["n"] = 2, ["n_predict"] = 4, ["seed"] = 3, ["ignore_eos"] = true };
        var choices = (await worker.AnswerAsync("/completion", body)).AsArray();
        Assert.Equal(2, choices.Count);
        Assert.NotEqual((string?)choices[0]!["content"], (string?)choices[1]!["content"]);
        body["n"] = 4000;
        Assert.Equal(HttpStatusCode.BadRequest, (await worker.PostAsync("/completion", body)).Response.StatusCode);
    }

    [Fact]
    public async Task APromptMayHoldTextsAndTokensInTurn()
    {
        var tokens = (await workers.Tiny.AnswerAsync("/tokenize", new { content = "the cat", add_special = true }))["tokens"]!.AsArray().Select(token => (int)token!).ToArray();
        var rest = (await workers.Tiny.AnswerAsync("/tokenize", new { content = " and the dog" }))["tokens"]!.AsArray().Count;
        JsonNode[] ids = [.. tokens.Select(token => (JsonNode)token)];
        foreach (var prompt in (JsonArray[])[new([.. ids, " and the dog"]), new("the cat", tokens[^1], " and the dog")])
        {
            var length = prompt[0]!.GetValueKind() == System.Text.Json.JsonValueKind.String ? tokens.Length + 1 : tokens.Length;
            var answer = await workers.Tiny.AnswerAsync("/completion", new JsonObject { ["prompt"] = prompt.DeepClone(), ["n_predict"] = 1 });
            Assert.Equal(length + rest, (int)answer["tokens_evaluated"]!);
            // In a list of lists it is one of several prompts.
            var two = await workers.Tiny.AnswerAsync("/completion", new JsonObject { ["prompt"] = new JsonArray(prompt.DeepClone(), "a"), ["n_predict"] = 1 });
            Assert.Equal(length + rest, (int)two[0]!["tokens_evaluated"]!);
            Assert.Equal(2, two.AsArray().Count);
        }

        var (response, error) = await workers.Tiny.PostAsync("/completion", "{\"prompt\":[1,\"a\",true]}");
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("prompt[2]", (string?)error["error"]!["param"]);
    }

    [Fact]
    public async Task AnAnswerHasTheFieldsThatWereAskedFor()
    {
        var body = new JsonObject { ["prompt"] = Prompt, ["n_predict"] = 7, ["response_fields"] = new JsonArray("content", "generation_settings/n_predict", "timings/no_such", "prompt") };
        var answer = (await workers.Tiny.AnswerAsync("/completion", body)).AsObject();
        Assert.Equal(["content", "generation_settings/n_predict", "prompt"], answer.Select(member => member.Key));
        Assert.Equal(7, (int)answer["generation_settings/n_predict"]!);
        Assert.Equal(Prompt, (string?)answer["prompt"]);
        body["response_fields"] = new JsonArray();
        Assert.NotNull((await workers.Tiny.AnswerAsync("/completion", body))["generation_settings"]!["n_predict"]);
        body["response_fields"] = "content";
        Assert.Single((await workers.Tiny.AnswerAsync("/completion", body)).AsObject());
        body["response_fields"] = new JsonArray(1);
        Assert.Equal(HttpStatusCode.BadRequest, (await workers.Tiny.PostAsync("/completion", body)).Response.StatusCode);
    }

    [Fact]
    public async Task ProbabilitiesAreThoseOfTheDrawWhereAskedFor()
    {
        var body = new JsonObject
        {
            ["prompt"] = Prompt, ["n_predict"] = 6, ["seed"] = 4, ["ignore_eos"] = true, ["n_probs"] = 10, ["post_sampling_probs"] = true,
            ["top_k"] = 3, ["top_p"] = 1, ["min_p"] = 0, ["temperature"] = 1.5,
        };
        var entries = (await workers.Tiny.AnswerAsync("/completion", body))["completion_probabilities"]!.AsArray();
        Assert.Equal(6, entries.Count);
        foreach (var entry in entries)
        {
            var top = entry!["top_probs"]!.AsArray();
            Assert.Equal(3, top.Count);
            Assert.Equal(1, top.Sum(other => (double)other!["prob"]!), 1e-5);
            Assert.Equal(top.Select(other => (double)other!["prob"]!).OrderDescending(), top.Select(other => (double)other!["prob"]!));
            Assert.Equal((double)entry["prob"]!, (double)top.Single(other => (int)other!["id"]! == (int)entry["id"]!)!["prob"]!);
        }

        // The model's own probabilities of the same first token, at the temperature and among the three: the same figures.
        body["post_sampling_probs"] = false;
        var own = (await workers.Tiny.AnswerAsync("/completion", body))["completion_probabilities"]![0]!["top_logprobs"]!.AsArray().Take(3).Select(other => Math.Exp((double)other!["logprob"]! / 1.5)).ToArray();
        Assert.Equal(own.Select(value => value / own.Sum()), entries[0]!["top_probs"]!.AsArray().Select(other => (double)other!["prob"]!), (a, b) => Math.Abs(a - b) < 1e-4);

        body["post_sampling_probs"] = true;
        body["temperature"] = 0;
        var sure = (await workers.Tiny.AnswerAsync("/completion", body))["completion_probabilities"]![0]!;
        Assert.Equal(1, (double)sure["prob"]!);
        Assert.Equal((int)sure["id"]!, (int)Assert.Single(sure["top_probs"]!.AsArray())!["id"]!);
    }

    [Theory]
    [InlineData("/completion", "\"prompt\":\"{0}\"")]
    [InlineData("/v1/completions", "\"prompt\":\"{0}\"")]
    [InlineData("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"{0}\"}],\"stream_options\":{\"include_usage\":true}")]
    [InlineData("/v1/responses", "\"input\":\"{0}\"")]
    public async Task AStreamTellsOfItsPromptAndItsPace(string path, string prompt)
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--batch-size", "64", "--ubatch-size", "64");
        var most = path == "/v1/responses" ? "max_output_tokens" : "max_tokens";
        var body = "{" + prompt.Replace("{0}", string.Concat(Enumerable.Repeat("the cat and the dog ", 50)), StringComparison.Ordinal)
            + $",\"{most}\":20,\"temperature\":0,\"stream\":true,\"timings_per_token\":true,\"return_progress\":true" + (path == "/v1/responses" ? "" : ",\"ignore_eos\":true") + "}";
        for (var round = 0; round < 2; round++)
        {
            var events = await StreamAsync(worker, path, JsonNode.Parse(body)!.AsObject());
            var progress = events.Select(item => item["prompt_progress"]).OfType<JsonNode>().ToList();
            var total = (int)progress[0]["total"]!;
            Assert.True(total > 200);
            Assert.Equal((int)progress[0]["cache"]!, (int)progress[0]["processed"]!);
            Assert.Equal(total, (int)progress[^1]["processed"]!);
            Assert.All(progress, item => Assert.Equal((total, (int)progress[0]["cache"]!), ((int)item["total"]!, (int)item["cache"]!)));
            Assert.All(progress.Zip(progress.Skip(1)), pair => Assert.True((int)pair.First["processed"]! < (int)pair.Second["processed"]!));
            if (round == 0) Assert.True(progress.Count >= 1 + (total / 64), $"{progress.Count} reports of {total} tokens");
            else Assert.Equal(total - 1, (int)progress[0]["cache"]!);
            var timed = events.Where(item => item["timings"] is not null).ToList();
            // Events that come faster than they are read are put together.
            var counts = timed.Select(item => (int)item["timings"]!["predicted_n"]!).ToArray();
            Assert.Equal(counts.Order(), counts);
            Assert.True(counts.Distinct().Count() >= 3, $"{counts.Length} events with timings");
            Assert.Equal(20, counts[^1]);
            Assert.NotNull(events.Last(item => path != "/v1/responses" || (string?)item["type"] is "response.completed" or "response.incomplete")["timings"]);
            Assert.True(events.FindLastIndex(item => item["prompt_progress"] is not null) < events.FindIndex(item => item["timings"] is not null));
        }

        var (response, error) = await worker.PostAsync(path, body.Replace("\"stream\":true", "\"stream\":false", StringComparison.Ordinal).Replace(",\"stream_options\":{\"include_usage\":true}", "", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("return_progress", (string?)error["error"]!["param"]);
    }

    [Fact]
    public async Task ARequestMayNameItsSlot()
    {
        var folder = Directory.CreateTempSubdirectory("finercut-slots-");
        try
        {
            await using var worker = await SharedWorkers.ExactAsync("--slot-save-path", folder.FullName);
            const string france = "the cat and the dog went to the capital of one", germany = "the cat and the dog went to the capital of two";
            var first = await AskAsync(france, 1);
            var length = (int)first["tokens_evaluated"]!;
            Assert.Equal((1, length), ((int)first["id_slot"]!, (int)first["timings"]!["prompt_n"]!));
            var saved = await worker.AnswerAsync("/slots/1?action=save", new { filename = "one.bin" });
            var other = await AskAsync(germany, 1);
            Assert.Equal(1, (int)other["id_slot"]!);
            Assert.InRange((int)other["timings"]!["prompt_n"]!, 1, length - 3);
            Assert.Equal((int)saved["n_saved"]!, (int)(await worker.AnswerAsync("/slots/0?action=restore", new { filename = "one.bin" }))["n_restored"]!);
            var again = await AskAsync(germany, 0);
            Assert.Equal((0, (string?)other["content"]), ((int)again["id_slot"]!, (string?)again["content"]));
            Assert.Equal(HttpStatusCode.BadRequest, (await worker.PostAsync("/completion", new { prompt = france, id_slot = 4000 })).Response.StatusCode);

            // Where it is taken, another one does.
            var both = await Task.WhenAll(AskAsync("one two three", 5), AskAsync("three two one", 5));
            Assert.Contains(both, answer => (int)answer["id_slot"]! == 5);

            Task<JsonNode> AskAsync(string prompt, int slot) => worker.AnswerAsync("/completion", new { prompt, id_slot = slot, n_predict = 4, temperature = 0, ignore_eos = true });
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task WithoutPoolingEveryTokenHasItsEmbedding()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--embeddings", "--pooling", "none");
        var tokens = (await worker.AnswerAsync("/tokenize", new { content = "the cat and", add_special = true }))["tokens"]!.AsArray().Count;
        var answers = (await worker.AnswerAsync("/embedding", new { content = new[] { "the cat and", "the" } })).AsArray();
        var vectors = answers[0]!["embedding"]!.AsArray();
        Assert.Equal(tokens, vectors.Count);
        Assert.All(vectors, vector => Assert.True(Math.Abs(vector!.AsArray().Sum(value => Math.Pow((double)value!, 2)) - 1) > 1e-3, "it has length one"));
        Assert.Equal(tokens, vectors.Select(vector => vector!.ToJsonString()).Distinct().Count());
        // A causal model's first tokens do not know what comes.
        Assert.Equal(answers[1]!["embedding"]![0]!.AsArray().Select(value => (double)value!), vectors[0]!.AsArray().Select(value => (double)value!), (a, b) => Math.Abs(a - b) < 1e-3);
        var (response, error) = await worker.PostAsync("/v1/embeddings", new { input = "the cat" });
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("pooling", (string?)error["error"]!["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task SettingsAndErrorsSayWhatLlamaServersDo()
    {
        var body = new JsonObject { ["prompt"] = "the", ["n_predict"] = 1, ["ignore_eos"] = true, ["logit_bias"] = new JsonArray(new JsonArray(5, 2.5)) };
        var bias = (await workers.Tiny.AnswerAsync("/completion", body))["generation_settings"]!["logit_bias"]!.AsArray();
        Assert.Contains(bias, entry => (int)entry!["token"]! == 5 && (double)entry["bias"]! == 2.5);
        Assert.Contains(bias, entry => entry!["bias"] is null);
        Assert.Empty((await workers.Tiny.AnswerAsync("/completion", new { prompt = "the", n_predict = 1 }))["generation_settings"]!["logit_bias"]!.AsArray());

        var large = new { messages = Enumerable.Repeat(new { role = "user", content = "the cat and the dog and the cat and the dog" }, 1000) };
        var (response, error) = await workers.Tiny.PostAsync("/v1/chat/completions", large);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(2048, (int)error["error"]!["n_ctx"]!);
        Assert.True((int)error["error"]!["n_prompt_tokens"]! > 2048);
    }

    [Fact]
    public async Task MetricsHaveLlamaServersNames()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--spec-type", "ngram-simple");
        for (var i = 0; i < 2; i++) await worker.AnswerAsync("/completion", new { prompt = Prompt, n_predict = 16, temperature = 0, ignore_eos = true });
        Assert.True(await worker.MetricAsync("llamacpp:prompt_tokens_cached_total") > 0);
        Assert.Equal(await worker.MetricAsync("finercut_worker_guessed_tokens_total"), await worker.MetricAsync("llamacpp:spec_decode_num_draft_tokens_total"));
        Assert.True(await worker.MetricAsync("llamacpp:spec_decode_num_drafts_total") <= await worker.MetricAsync("llamacpp:spec_decode_num_draft_tokens_total"));
        Assert.True(await worker.MetricAsync("llamacpp:spec_decode_num_accepted_tokens_total") <= await worker.MetricAsync("llamacpp:spec_decode_num_draft_tokens_total"));
    }

    [Fact]
    public async Task AChatsPromptIsCountedWithoutAnswering()
    {
        var body = new { messages = new[] { new { role = "system", content = "Book" }, new { role = "user", content = "What is the best book" } }, max_tokens = 1 };
        var count = (int)(await workers.Tiny.AnswerAsync("/v1/chat/completions/input_tokens", body))["input_tokens"]!;
        Assert.Equal((int)(await workers.Tiny.AnswerAsync("/v1/chat/completions", body))["usage"]!["prompt_tokens"]!, count);
    }

    private static async Task<List<JsonNode>> StreamAsync(WorkerUnderTest worker, string path, JsonObject body)
    {
        using var response = await worker.Http.PostAsync(path, WorkerUnderTest.Content(body));
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return [.. text.Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal)).Select(line => JsonNode.Parse(line["data: ".Length..])!)];
    }
}
