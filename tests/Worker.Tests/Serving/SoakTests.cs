using System.Globalization;
using System.Net.ServerSentEvents;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Serving;

/// <summary>
/// Many short requests at 16 streams, a third of which go away at a random point. FINERCUT_SOAK_REQUESTS sets how many (default 800; from 4,000 on
/// memory is looked at as well), SOAK_SEED where to begin.
/// </summary>
public class SoakTests
{
    private const int Streams = 16;
    private const int EnoughForMemory = 4000;

    private static readonly string[] Beginnings = ["You are a cat.", "You are a dog, and you are asked many things. Answer them.", "Be brief and be kind."];

    [Fact]
    public async Task NothingIsLeftBehind()
    {
        var count = int.Parse(Environment.GetEnvironmentVariable("FINERCUT_SOAK_REQUESTS") ?? "800", CultureInfo.InvariantCulture);
        var seed = int.Parse(Environment.GetEnvironmentVariable("SOAK_SEED") ?? "1", CultureInfo.InvariantCulture);
        // Fewer cells than 16 answers need, so that some give way; speculation, so that cells are taken back.
        await using var worker = await WorkerUnderTest.ReadyAsync(
            SharedWorkers.TinyPath, "--parallel", "16", "--queue", "64", "--ctx-size", "1024", "--spec-type", "ngram-simple", "--spec-ngram-simple-size-n", "2", "--spec-ngram-simple-size-m", "3");
        var sizes = new long[count];
        int next = -1, cancelled = 0;
        await Task.WhenAll(Enumerable.Range(0, Streams).Select(_ => Task.Run(async () =>
        {
            for (var i = Interlocked.Increment(ref next); i < count; i = Interlocked.Increment(ref next))
            {
                if (!await AskAsync(worker, new Random(seed * 1_000_003 + i), $"seed {seed}, request {i}")) Interlocked.Increment(ref cancelled);
                sizes[i] = Resident(worker.ProcessId);
            }
        })));
        Assert.InRange(cancelled, count / 5, count / 2);
        await WorkerUnderTest.EventuallyAsync(async () => (int)(await StateAsync(worker))["unfinished"]! == 0);
        var state = await StateAsync(worker);
        Assert.Equal(0, (int)state["active"]!);
        Assert.Equal(0, (int)state["waiting"]!);
        foreach (var slot in JsonNode.Parse(await worker.Http.GetStringAsync("/slots"))!.AsArray())
        {
            Assert.False((bool)slot!["is_processing"]!);
            await worker.AnswerAsync($"/slots/{slot["id"]}?action=erase", "{}");
        }

        await WorkerUnderTest.EventuallyAsync(async () => (int)(await StateAsync(worker))["used_cells"]! == 0);
        await worker.AnswerAsync("/completion", new { prompt = "still there", n_predict = 2 });
        if (count < EnoughForMemory) return;
        // The first half fills caches and lets the heap find its size.
        var (middle, last) = (sizes[(count / 2)..(count * 5 / 8)].Average(), sizes[(count * 7 / 8)..].Average());
        TestContext.Current.TestOutputHelper!.WriteLine($"resident after half {middle / 1e6:0.0} MB, at the end {last / 1e6:0.0} MB, {cancelled} of {count} cancelled");
        Assert.True(last < middle * 1.05, $"resident memory grew from {middle / 1e6:0.0} to {last / 1e6:0.0} MB");
    }

    /// <summary>False where the client went before the end.</summary>
    private static async Task<bool> AskAsync(WorkerUnderTest worker, Random random, string where)
    {
        var body = new JsonObject
        {
            ["messages"] = new JsonArray(
                new JsonObject { ["role"] = "system", ["content"] = Beginnings[random.Next(Beginnings.Length)] },
                new JsonObject { ["role"] = "user", ["content"] = string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => $"{random.Next(50)} ")) }),
            ["max_tokens"] = random.Next(1, 40),
            ["ignore_eos"] = random.Next(2) == 0,
            ["seed"] = random.Next(),
            ["stream"] = random.Next(4) != 0,
        };
        if (random.Next(6) == 0)
        {
            body["ignore_eos"] = false;
            body["response_format"] = new JsonObject { ["type"] = "json_object" };
        }

        if (random.Next(8) == 0) body["n"] = 2;
        using var gone = new CancellationTokenSource();
        var chunks = random.Next(3) == 0 ? random.Next(12) : -1;
        try
        {
            if (chunks == 0) gone.CancelAfter(TimeSpan.FromMilliseconds(random.Next(20)));
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = WorkerUnderTest.Content(body) };
            using var response = await worker.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, gone.Token);
            Assert.True(response.IsSuccessStatusCode, $"{where}: {await response.Content.ReadAsStringAsync(gone.Token)}");
            await using var stream = await response.Content.ReadAsStreamAsync(gone.Token);
            if (!(bool)body["stream"]!)
            {
                if (chunks > 0) return false;
                using var reader = new StreamReader(stream);
                Assert.NotNull(JsonNode.Parse(await reader.ReadToEndAsync(gone.Token))!["choices"]);
                return true;
            }

            var done = false;
            await foreach (var item in SseParser.Create(stream).EnumerateAsync(gone.Token))
            {
                Assert.DoesNotContain("\"error\"", item.Data, StringComparison.Ordinal);
                done = item.Data == "[DONE]";
                if (--chunks == 0) return false;
            }

            Assert.True(done, $"{where}: the stream broke off");
            return true;
        }
        catch (OperationCanceledException) when (gone.IsCancellationRequested)
        {
            return false;
        }
    }

    private static async Task<JsonNode> StateAsync(WorkerUnderTest worker) => JsonNode.Parse(await worker.Http.GetStringAsync("/v1/worker/sequences"))!;

    private static long Resident(int processId)
    {
        // Pages, the second figure of statm.
        var statm = File.ReadAllText($"/proc/{processId}/statm");
        return long.Parse(statm.Split(' ')[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize;
    }
}
