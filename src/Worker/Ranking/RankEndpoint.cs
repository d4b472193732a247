using System.Collections.Immutable;
using System.Text.Json;
using FinerCut.Runtime;
using FinerCut.Worker.Embeddings;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.Ranking;

/// <summary>
/// /v1/rerank, of a worker that was started with --reranking: how well each document answers the query, best first. The score is the first number of the
/// model's rank head, as in llama-server.
/// </summary>
internal sealed class RankEndpoint(WorkerState state)
{
    /// <summary>Where a file keeps the text that its rank head was trained on.</summary>
    private const string TemplateKey = "tokenizer.chat_template.rerank";

    public async Task RankAsync(HttpContext http)
    {
        var model = state.Require();
        if (model.Pooling is not PoolingKind.Rank)
            throw new ApiException(PooledText.NotSupported("This worker does not rank documents. Start one with --reranking on a model that has a rank head."));
        using var body = await http.ReadJsonAsync();
        var request = RankRequest.Read(body.RootElement);
        ImmutableArray<int>[] texts = [.. request.Documents.Select((text, i) => PooledText.Require(model, Tokens(model, request.Query, text), $"{request.Field}[{i}]"))];
        var scores = (await PooledText.ComputeAsync(http, model, texts)).Select((numbers, i) => (Index: i, Score: numbers[0]));
        (int Index, float Score)[] best = [.. scores.OrderByDescending(entry => entry.Score).Take(request.Most)];
        await http.WriteJsonAsync(json => Write(json, model, request, best, texts.Sum(tokens => tokens.Length)));
    }

    /// <summary>Query and document as the model was trained on them: its own template, or the two between its special tokens.</summary>
    private static ImmutableArray<int> Tokens(ServedModel model, string query, string document)
    {
        var vocabulary = model.Vocabulary;
        if (model.Info.Metadata.TryGetValue(TemplateKey, out var template))
            return [.. vocabulary.Tokenize(Fill(template, query, document), addSpecial: false, parseSpecial: true)];
        var special = vocabulary.Special;
        var end = special.Eos >= 0 ? special.Eos : special.Sep;
        var separates = model.Info.Metadata.GetValueOrDefault("tokenizer.ggml.add_sep_token") == "true";
        return
        [
            .. If(special.AddBos, special.Bos), .. vocabulary.Tokenize(query, false, false), .. If(special.AddEos, end), .. If(separates, special.Sep),
            .. vocabulary.Tokenize(document, false, false), .. If(special.AddEos, end),
        ];

        static int[] If(bool wanted, int token) => wanted && token >= 0 ? [token] : [];
    }

    /// <summary>In one pass, so that a query that says "{document}" is not filled itself.</summary>
    private static string Fill(string template, string query, string document) =>
        string.Join(query, template.Split("{query}").Select(part => part.Replace("{document}", document, StringComparison.Ordinal)));

    private static void Write(Utf8JsonWriter json, ServedModel model, RankRequest request, (int Index, float Score)[] best, int tokens)
    {
        if (!request.IsBare)
        {
            json.WriteStartObject();
            json.WriteString("model", model.Names.Id);
            json.WriteString("object", "list");
            json.WriteStartObject("usage");
            json.WriteNumber("prompt_tokens", tokens);
            json.WriteNumber("total_tokens", tokens);
            json.WriteEndObject();
            json.WritePropertyName("results");
        }

        json.WriteStartArray();
        foreach (var (index, score) in best)
        {
            json.WriteStartObject();
            json.WriteNumber("index", index);
            json.WriteNumber(request.IsBare ? "score" : "relevance_score", score);
            if (request.ReturnsTexts) WriteDocument(json, request, index);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (!request.IsBare) json.WriteEndObject();
    }

    private static void WriteDocument(Utf8JsonWriter json, RankRequest request, int index)
    {
        if (request.IsBare)
        {
            json.WriteString("text", request.Documents[index]);
            return;
        }

        json.WriteStartObject("document");
        json.WriteString("text", request.Documents[index]);
        json.WriteEndObject();
    }
}
