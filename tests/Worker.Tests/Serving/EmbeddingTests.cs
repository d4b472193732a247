using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace FinerCut.Tests.Serving;

public class EmbeddingTests
{
    [Fact]
    public async Task AnEmbeddingWorkerEmbedsAndDoesNotAnswer()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--embeddings", "--pooling", "mean");
        var body = new JsonObject { ["model"] = "any", ["input"] = new JsonArray("a cat", "a dog", "a cat") };
        var answer = await worker.AnswerAsync("/v1/embeddings", body);
        var vectors = answer["data"]!.AsArray().Select(item => item!["embedding"]!.AsArray().Select(value => (float)value!).ToArray()).ToArray();
        Assert.Equal([0, 1, 2], answer["data"]!.AsArray().Select(item => (int)item!["index"]!));
        Assert.All(vectors, vector => Assert.Equal(1, vector.Sum(value => value * value), 4));
        Assert.Equal(vectors[0], vectors[2]);
        Assert.NotEqual(vectors[0], vectors[1]);

        body["encoding_format"] = "base64";
        var encoded = (await worker.AnswerAsync("/v1/embeddings", body))["data"]![0]!["embedding"]!;
        Assert.Equal(vectors[0], MemoryMarshal.Cast<byte, float>(Convert.FromBase64String((string)encoded!).AsSpan()).ToArray());

        var (refused, error) = await worker.PostAsync("/v1/embeddings", new { input = "a", dimensions = 3 });
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Equal("dimensions", (string?)error["error"]!["param"]);
        Assert.Equal((int)answer["usage"]!["prompt_tokens"]! * 2, await worker.MetricAsync("llamacpp:prompt_tokens_total"));
        Assert.Equal(6, await worker.MetricAsync("llamacpp:n_decode_total"));
        Assert.Equal(0, await worker.MetricAsync("llamacpp:tokens_predicted_total"));
        var (chat, _) = await worker.PostAsync("/v1/completions", new { prompt = "a" });
        Assert.Equal(HttpStatusCode.NotImplemented, chat.StatusCode);
    }

    [Fact]
    public async Task AnAnsweringWorkerSaysHowToGetEmbeddings()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath);
        var (response, error) = await worker.PostAsync("/v1/embeddings", new { input = "a" });
        Assert.Equal(HttpStatusCode.NotImplemented, response.StatusCode);
        Assert.Contains("--embeddings", (string?)error["error"]!["message"], StringComparison.Ordinal);
    }
}
