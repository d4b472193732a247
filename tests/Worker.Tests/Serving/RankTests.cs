using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using FinerCut.Gguf;
using FinerCut.TestModels;

namespace FinerCut.Tests.Serving;

public sealed class RankTests : IAsyncLifetime
{
    private const int Component = 5;
    private static readonly TinyModel Model = new() { Architecture = "qwen3", ContextLength = 512 };
    private static readonly string[] Documents = ["a cat sat", "the dog", "on the road", "and in", "the end of the line", "a", "there is nothing here", "what"];

    private WorkerUnderTest _worker = null!;

    public async ValueTask InitializeAsync()
    {
        // A qwen3 reranker: softmax over two labels, the first of which reads one component of the last token's state.
        var edit = Model.Plan();
        edit.Set("qwen3.classifier.output_labels", GgufValue.ArrayOf(["yes", "no"])).Set("tokenizer.chat_template.rerank", "Q {query} D {document} A");
        var head = new float[2 * Model.Embedding];
        head[Component] = 1;
        edit.Add(new("cls.output.weight", GgmlType.F32, [Model.Embedding, 2], GgufContent.Bytes(MemoryMarshal.AsBytes<float>(head).ToArray())));
        var path = WorkerUnderTest.Tiny(Model, "plain.gguf") + ".rank";
        GgufWriter.Write(edit, path);
        _worker = await WorkerUnderTest.ReadyAsync(path, "--reranking");
    }

    public ValueTask DisposeAsync() => _worker.DisposeAsync();

    [Fact]
    public async Task DocumentsAreRankedByTheModelsHead()
    {
        var answer = await _worker.AnswerAsync("/v1/rerank", new { query = "where {document}", documents = Documents });
        Assert.Equal("list", (string?)answer["object"]);
        Assert.True((int)answer["usage"]!["prompt_tokens"]! > Documents.Length * 10);
        var scores = answer["results"]!.AsArray().Select(item => (Index: (int)item!["index"]!, Score: (double)item["relevance_score"]!)).ToList();
        Assert.Equal(scores.OrderByDescending(entry => entry.Score), scores);
        Assert.Equal(Enumerable.Range(0, Documents.Length), scores.Select(entry => entry.Index).Order());

        // The same state as an embedding of length one; the norm before the head leaves states a length of about the root of their size.
        await using var embedder = await WorkerUnderTest.ReadyAsync(WorkerUnderTest.Tiny(Model, "embedder.gguf"), "--embeddings", "--pooling", "last");
        foreach (var (index, score) in scores)
        {
            var text = $"Q where {{document}} D {Documents[index]} A";
            var state = (await embedder.AnswerAsync("/v1/embeddings", new { input = text }))["data"]![0]!["embedding"]![Component]!;
            Assert.Equal(Math.Log(score / (1 - score)), Math.Sqrt(Model.Embedding) * (double)state, Math.Abs((double)state) + 0.01);
        }

        Assert.True(scores.Select(entry => entry.Score).Distinct().Count() > 1, "every document has the same score");
    }

    [Fact]
    public async Task BothShapesAreThere()
    {
        var jina = await _worker.AnswerAsync("/rerank", new { query = "q", documents = Documents, top_n = 2, return_documents = true, model = "any" });
        Assert.Equal(2, jina["results"]!.AsArray().Count);
        var best = jina["results"]![0]!;
        Assert.Equal(Documents[(int)best["index"]!], (string?)best["document"]!["text"]);
        var bare = await _worker.AnswerAsync("/reranking", new { query = "q", texts = Documents, return_text = true });
        Assert.Equal(Documents.Length, bare.AsArray().Count);
        Assert.Equal((int)best["index"]!, (int)bare[0]!["index"]!);
        Assert.Equal((double)best["relevance_score"]!, (double)bare[0]!["score"]!);
        Assert.Equal(Documents[(int)best["index"]!], (string?)bare[0]!["text"]);
    }

    [Theory]
    [InlineData("{\"documents\":[\"a\"]}", "query")]
    [InlineData("{\"query\":\"q\"}", "documents")]
    [InlineData("{\"query\":\"q\",\"documents\":[]}", "documents")]
    [InlineData("{\"query\":\"q\",\"documents\":null}", "documents")]
    [InlineData("{\"query\":\"q\",\"documents\":123}", "documents")]
    [InlineData("{\"query\":\"q\",\"documents\":[1,2]}", "documents[0]")]
    [InlineData("{\"query\":\"q\",\"documents\":[\"a\"],\"top_n\":-1}", "top_n")]
    [InlineData("{\"query\":\"q\",\"texts\":[\"a\"],\"truncate\":true}", "truncate")]
    public async Task ABadBodyIsRefusedByPath(string body, string param)
    {
        var (response, answer) = await _worker.PostAsync("/v1/rerank", body);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(param, (string?)answer["error"]!["param"]);
    }

    [Fact]
    public async Task AModelWithoutARankHeadIsRefused()
    {
        await using var worker = WorkerUnderTest.Launch("serve", "--model", SharedWorkers.TinyPath, "--port", "0", "--reranking");
        Assert.Equal(2, await worker.ExitAsync());
        Assert.Contains("rank head", worker.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ARankingWorkerDoesNotEmbed()
    {
        var (response, _) = await _worker.PostAsync("/v1/embeddings", new { input = "a" });
        Assert.Equal(HttpStatusCode.NotImplemented, response.StatusCode);
    }
}
