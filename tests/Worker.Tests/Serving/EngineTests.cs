using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using FinerCut.Gguf;
using FinerCut.TestModels;

namespace FinerCut.Tests.Serving;

/// <summary>What llama-server has beside OpenAI's endpoints: its own completion, slots, adapters, speculation, context shift, sleep.</summary>
[Collection<ServedCollection>]
public class EngineTests(SharedWorkers workers)
{
    private const string Prompt = "the cat and the dog and the cat and the dog and the";
    private static readonly string[] Lookup = ["--spec-type", "ngram-simple", "--spec-ngram-simple-size-n", "1", "--spec-ngram-simple-size-m", "4"];

    [Fact]
    public async Task ACompletionHasLlamaServersShape()
    {
        var body = new JsonObject { ["prompt"] = Prompt, ["n_predict"] = 8, ["temperature"] = 0, ["seed"] = 5, ["return_tokens"] = true, ["n_probs"] = 2, ["ignore_eos"] = true, ["cache_prompt"] = false };
        var answer = await workers.Tiny.AnswerAsync("/completion", body);
        Assert.True((bool)answer["stop"]!);
        Assert.Equal("limit", (string?)answer["stop_type"]);
        Assert.Equal(8, (int)answer["tokens_predicted"]!);
        Assert.Equal(8, answer["tokens"]!.AsArray().Count);
        Assert.All(answer["completion_probabilities"]!.AsArray(), entry => Assert.Equal(2, entry!["top_logprobs"]!.AsArray().Count));
        Assert.Equal(Prompt, (string?)answer["prompt"]);
        Assert.False((bool)answer["truncated"]!);
        Assert.True((int)answer["id_slot"]! >= 0);
        var whole = (string)answer["content"]!;
        body["stream"] = true;
        using var response = await workers.Tiny.Http.PostAsync("/completion", WorkerUnderTest.Content(body));
        var events = (await response.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(text => JsonNode.Parse(text["data: ".Length..])!).ToList();
        Assert.Equal(whole, string.Concat(events.Select(item => (string?)item["content"])));
        Assert.Equal(Enumerable.Repeat(false, events.Count - 1).Append(true), events.Select(item => (bool)item["stop"]!));
    }

    [Theory]
    [InlineData("/infill", "{\"input_prefix\":\"a\",\"input_suffix\":\"b\"}", HttpStatusCode.NotImplemented)]
    [InlineData("/rerank", "{\"query\":\"a\",\"documents\":[\"b\"]}", HttpStatusCode.NotImplemented)]
    [InlineData("/embedding", "{\"content\":\"a\"}", HttpStatusCode.NotImplemented)]
    [InlineData("/slots/0?action=save", "{\"filename\":\"a\"}", HttpStatusCode.NotImplemented)]
    [InlineData("/slots/99999?action=erase", "{}", HttpStatusCode.BadRequest)]
    [InlineData("/slots/0?action=sing", "{}", HttpStatusCode.BadRequest)]
    [InlineData("/completion", "{\"prompt\":\"a\",\"lora\":[{\"id\":0,\"scale\":1}]}", HttpStatusCode.BadRequest)]
    [InlineData("/completion", "{\"prompt\":\"a\",\"json_schema\":{\"type\":\"string\",\"format\":\"colour\"}}", HttpStatusCode.BadRequest)]
    [InlineData("/lora-adapters", "{}", HttpStatusCode.BadRequest)]
    public async Task WhatIsNotThereIsSaidClearly(string path, string body, HttpStatusCode status)
    {
        var (response, answer) = await workers.Tiny.PostAsync(path, body);
        Assert.Equal(status, response.StatusCode);
        Assert.NotEqual("", (string?)answer["error"]!["message"]);
    }

    [Fact]
    public async Task ASavedSequenceIsGoneOnFromInAnotherWorker()
    {
        var folder = Directory.CreateTempSubdirectory("finercut-slots-");
        try
        {
            string[] options = ["--slot-save-path", folder.FullName];
            var body = new { prompt = Prompt, n_predict = 6, temperature = 0, ignore_eos = true };
            JsonNode first;
            await using (var worker = await SharedWorkers.ExactAsync(options))
            {
                first = await worker.AnswerAsync("/completion", body);
                var saved = await worker.AnswerAsync($"/slots/{first["id_slot"]}?action=save", new { filename = "one.bin" });
                Assert.Equal((int)first["tokens_evaluated"]! + 5, (int)saved["n_saved"]!);
                Assert.Equal(new FileInfo(Path.Combine(folder.FullName, "one.bin")).Length, (long)saved["n_written"]!);
            }

            await using (var worker = await SharedWorkers.ExactAsync(options))
            {
                var restored = await worker.AnswerAsync("/slots/3?action=restore", new { filename = "one.bin" });
                Assert.Equal((int)first["tokens_evaluated"]! + 5, (int)restored["n_restored"]!);
                var slots = JsonNode.Parse(await worker.Http.GetStringAsync("/slots"))!.AsArray();
                Assert.Equal((int)restored["n_restored"]!, (int)slots[3]!["n_tokens"]!);
                var second = await worker.AnswerAsync("/completion", body);
                Assert.Equal((string?)first["content"], (string?)second["content"]);
                Assert.Equal(1, (int)second["timings"]!["prompt_n"]!);
                Assert.True((int)(await worker.AnswerAsync("/slots/3?action=erase", "{}"))["n_erased"]! > 0);
                var (response, answer) = await worker.PostAsync("/slots/3?action=restore", new { filename = "../one.bin" });
                Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
                Assert.Equal("filename", (string?)answer["error"]!["param"]);
                await File.WriteAllBytesAsync(Path.Combine(folder.FullName, "bad.bin"), [1, 2, 3]);
                (response, answer) = await worker.PostAsync("/slots/3?action=restore", new { filename = "bad.bin" });
                Assert.Equal("state_refused", (string?)answer["error"]!["code"]);
                Assert.DoesNotContain(folder.FullName, (string?)answer["error"]!["message"], StringComparison.Ordinal);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task AdaptersAreChosenByTheRequest()
    {
        var adapter = WriteAdapter(Path.Combine(Path.GetDirectoryName(SharedWorkers.TinyPath)!, "lora.gguf"));
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--lora-scaled", $"{adapter}:0.0", "--parallel", "8");
        var plain = await AnswerAsync(workers.Tiny, null);
        Same(plain, await AnswerAsync(worker, null));
        var strong = await AnswerAsync(worker, 4);
        Assert.ThrowsAny<Exception>(() => Same(plain, strong));
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => AnswerAsync(worker, i % 2 * 4)));
        Rounding.AssertSame([.. answers.Select((_, i) => i % 2 == 0 ? plain : strong)], answers, Rounding.OfFloats);
        // What was computed with one strength is no prefix for another.
        Same(plain, await AnswerAsync(worker, 0));
        await worker.AnswerAsync("/lora-adapters", "[{\"id\":0,\"scale\":4}]");
        Same(strong, await AnswerAsync(worker, null));
        Assert.Equal(4, (int)JsonNode.Parse(await worker.Http.GetStringAsync("/lora-adapters"))![0]!["scale"]!);

        static void Same(JsonNode one, JsonNode other) => Rounding.AssertSame([one], [other], Rounding.OfFloats);

        static Task<JsonNode> AnswerAsync(WorkerUnderTest target, double? scale)
        {
            var body = new JsonObject { ["prompt"] = Prompt, ["n_predict"] = 16, ["temperature"] = 0, ["ignore_eos"] = true, ["n_probs"] = 8 };
            if (scale is { } value) body["lora"] = new JsonArray(new JsonObject { ["id"] = 0, ["scale"] = value });
            return target.AnswerAsync("/completion", body);
        }
    }

    [Theory]
    [InlineData(false, 0.0)]
    [InlineData(false, 0.8)]
    [InlineData(true, 0.0)]
    [InlineData(true, 0.8)]
    public async Task GuessingAheadChangesNoText(bool byModel, double temperature)
    {
        // The model itself guesses best: at temperature 0 nearly all is right.
        string[] options = byModel ? ["--model-draft", SharedWorkers.ExactPath, "--draft-max", "4"] : Lookup;
        var bodies = Enumerable.Range(0, 4).Select(i => new JsonObject
        {
            ["prompt"] = Prompt + new string('y', i), ["n_predict"] = 40, ["temperature"] = temperature, ["seed"] = i, ["ignore_eos"] = true,
        }).ToArray();
        // One after the other: guesses that were wrong leave cells that others would fill out of order.
        await using var plain = await SharedWorkers.ExactAsync();
        await using var worker = await SharedWorkers.ExactAsync(options);
        var (tried, right) = (0, 0);
        foreach (var body in bodies)
        {
            var expected = await plain.AnswerAsync("/completion", body);
            var guessed = await worker.AnswerAsync("/completion", body);
            Assert.Equal((string?)expected["content"], (string?)guessed["content"]);
            Assert.Equal(40, (int)guessed["tokens_predicted"]!);
            tried += (int?)guessed["timings"]!["draft_n"] ?? 0;
            right += (int?)guessed["timings"]!["draft_n_accepted"] ?? 0;
        }

        Assert.True(tried > 0, "something was guessed");
        if (byModel && temperature == 0) Assert.True(right > tried * 0.6, $"{right} of {tried} were right");
        Assert.Equal(tried, await worker.MetricAsync("finercut_worker_guessed_tokens_total"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task GuessingAheadForSeveralDiffersByRoundingAlone(bool byModel)
    {
        string[] options = byModel ? ["--model-draft", SharedWorkers.TinyPath, "--draft-max", "4"] : Lookup;
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, [.. options, "--parallel", "4"]);
        var bodies = Enumerable.Range(0, 4).Select(i => new JsonObject
        {
            ["prompt"] = Prompt + new string('y', i), ["n_predict"] = 40, ["temperature"] = 0, ["ignore_eos"] = true, ["n_probs"] = 8,
        }).ToArray();
        var plain = new List<JsonNode>();
        foreach (var body in bodies) plain.Add(await workers.Tiny.AnswerAsync("/completion", body));
        var guessed = await Task.WhenAll(bodies.Select(body => worker.AnswerAsync("/completion", body)));
        Rounding.AssertSame(plain, guessed, Rounding.OfFloats);
        Assert.True(guessed.Sum(answer => (int?)answer["timings"]!["draft_n"] ?? 0) > 0, "something was guessed");
    }

    [Fact]
    public async Task ADraftModelIsNotAskedBeyondItsOwnContext()
    {
        const int Context = 64;
        var draft = WorkerUnderTest.Tiny(new TinyModel { ContextLength = Context }, "draft.gguf");
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--model-draft", draft, "--draft-max", "4");
        var answer = await worker.AnswerAsync("/completion", new { prompt = Prompt, n_predict = 200, ignore_eos = true, temperature = 0 });
        Assert.Equal(200, (int)answer["tokens_predicted"]!);
        Assert.InRange((int)answer["timings"]!["draft_n"]!, 1, Context - 1);
    }

    [Fact]
    public async Task ADamagedAdapterIsRefusedBeforeNativeCodeSeesIt()
    {
        var path = WriteAdapter(Path.Combine(Path.GetDirectoryName(SharedWorkers.TinyPath)!, "damaged.gguf"));
        await File.WriteAllBytesAsync(path, (await File.ReadAllBytesAsync(path))[..^100]);
        await using var worker = WorkerUnderTest.Launch("serve", "--model", SharedWorkers.TinyPath, "--port", "0", "--threads", "1", "--lora", path);
        Assert.Equal(2, await worker.ExitAsync());
        var line = Assert.Single(worker.Errors.Split('\n'), text => text.StartsWith("error:", StringComparison.Ordinal));
        Assert.Contains("--lora", line, StringComparison.Ordinal);
        Assert.Contains("blk.0.ffn_up.weight.lora_b", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ASavedSequenceKeepsItsAdapterStrengths()
    {
        var folder = Directory.CreateTempSubdirectory("finercut-slots-");
        try
        {
            var adapter = WriteAdapter(Path.Combine(folder.FullName, "lora.gguf"));
            string[] options = ["--slot-save-path", folder.FullName, "--parallel", "2"];
            await using (var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, [.. options, "--lora-scaled", $"{adapter}:4.0"]))
            {
                var first = await worker.AnswerAsync("/completion", new { prompt = Prompt, n_predict = 4 });
                await worker.AnswerAsync($"/slots/{first["id_slot"]}?action=save", new { filename = "strong.bin" });
            }

            await using (var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, [.. options, "--lora-scaled", $"{adapter}:0.0"]))
            {
                await worker.AnswerAsync("/slots/3?action=restore", new { filename = "strong.bin" });
                var plain = await worker.AnswerAsync("/completion", new { prompt = Prompt, n_predict = 4 });
                Assert.Equal((int)plain["tokens_evaluated"]!, (int)plain["timings"]!["prompt_n"]!);
                var strong = await worker.AnswerAsync("/completion", "{\"prompt\":\"" + Prompt + "\",\"n_predict\":4,\"lora\":[{\"id\":0,\"scale\":4}]}");
                Assert.Equal(1, (int)strong["timings"]!["prompt_n"]!);
            }

            await using var bare = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, options);
            var (_, refused) = await bare.PostAsync("/slots/3?action=restore", new { filename = "strong.bin" });
            Assert.Equal("state_refused", (string?)refused["error"]!["code"]);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task ADraftModelOfAnotherVocabularyIsRefused()
    {
        var other = WorkerUnderTest.Tiny(new TinyModel { Tokenizer = TinyTokenizer.Spm }, "other.gguf");
        await using var worker = WorkerUnderTest.Launch("serve", "--model", SharedWorkers.TinyPath, "--port", "0", "--threads", "1", "--model-draft", other);
        Assert.Equal(2, await worker.ExitAsync());
        Assert.Contains("vocabulary", worker.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFullContextIsShiftedWhereAskedFor()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--ctx-size", "256", "--context-shift");
        var answer = await worker.AnswerAsync("/completion", new { prompt = Prompt, n_predict = 600, ignore_eos = true, n_keep = 8, temperature = 0 });
        Assert.Equal(600, (int)answer["tokens_predicted"]!);
        Assert.True((bool)answer["truncated"]!);
        await using var still = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--ctx-size", "256");
        answer = await still.AnswerAsync("/completion", new { prompt = Prompt, n_predict = 600, ignore_eos = true, temperature = 0 });
        Assert.True((int)answer["tokens_predicted"]! < 256);
        Assert.True((bool)answer["truncated"]!);
    }

    [Fact]
    public async Task AnIdleWorkerSleepsAndARequestWakesIt()
    {
        await using var worker = await SharedWorkers.ExactAsync("--sleep-idle-seconds", "1", "--alias", "sleeper");
        var body = new { prompt = Prompt, n_predict = 4, temperature = 0, ignore_eos = true };
        var before = (string?)(await worker.AnswerAsync("/completion", body))["content"];
        for (var round = 0; round < 2; round++)
        {
            await WorkerUnderTest.EventuallyAsync(SleepsAsync);
            Assert.True((await worker.Http.GetAsync("/health")).IsSuccessStatusCode);
            Assert.Contains("sleeper", await worker.Http.GetStringAsync("/v1/models"), StringComparison.Ordinal);
            Assert.True(await SleepsAsync(), "telling about it does not wake it");
            var both = await Task.WhenAll(worker.AnswerAsync("/completion", body), worker.AnswerAsync("/completion", body));
            Assert.All(both, answer => Assert.Equal(before, (string?)answer["content"]));
            Assert.False(await SleepsAsync());
        }

        worker.Signal("TERM");
        Assert.Equal(0, await worker.ExitAsync());

        async Task<bool> SleepsAsync() => (bool)JsonNode.Parse(await worker.Http.GetStringAsync("/props"))!["is_sleeping"]!;
    }

    [Fact]
    public async Task AnEmbeddingIsTheSameInBothShapes()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--embeddings", "--pooling", "mean");
        var bare = (await worker.AnswerAsync("/embedding", new { content = "the cat" }))[0]!["embedding"]![0]!.ToJsonString();
        Assert.Equal(bare, (await worker.AnswerAsync("/v1/embeddings", new { input = "the cat" }))["data"]![0]!["embedding"]!.ToJsonString());
    }

    private static string WriteAdapter(string path)
    {
        var random = new Random(5);
        var edit = new GgufEdit();
        edit.Set("general.architecture", "llama").Set("general.type", "adapter").Set("adapter.type", "lora").Set("adapter.lora.alpha", 4f);
        foreach (var (name, columns, rows) in ((string, int, int)[])[("lora_a", 64, 4), ("lora_b", 4, 128)])
        {
            var values = Enumerable.Range(0, columns * rows).Select(_ => (float)(random.NextDouble() - 0.5)).ToArray();
            edit.Add(new($"blk.0.ffn_up.weight.{name}", GgmlType.F32, [columns, rows], GgufContent.Bytes(MemoryMarshal.AsBytes<float>(values).ToArray())));
        }

        GgufWriter.Write(edit, path);
        return path;
    }
}
