using System.Collections.Immutable;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text.Json;
using FinerCut.Runtime;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.Embeddings;

/// <summary>/v1/embeddings, of a worker that was started with --embeddings. Vectors have length one, as llama-server's do.</summary>
internal sealed class EmbeddingEndpoint(WorkerState state)
{
    public async Task EmbedAsync(HttpContext http)
    {
        var model = Require();
        if (model.Pooling == PoolingKind.None)
            throw new ApiException(ApiError.Invalid("This worker's pooling is none: /embedding gives an embedding of each token. Start it with --pooling mean, cls or last for one of a text.", null));
        using var body = await http.ReadJsonAsync();
        var request = EmbeddingRequest.Read(body.RootElement, model.Vocabulary.Count, model.Info.EmbeddingLength);
        var (vectors, tokens) = await EmbedAllAsync(http, model, request.Inputs, "input");
        await http.WriteJsonAsync(json => Write(json, model, vectors, request.AsBase64, tokens));
    }

    /// <summary>llama-server's own /embedding: "content" (or "input"), and bare vectors back; where nothing is pooled, one of each token, of whatever length.</summary>
    public async Task EmbedBareAsync(HttpContext http)
    {
        var model = Require();
        using var document = await http.ReadJsonAsync();
        var body = new FieldReader(document.RootElement);
        var name = body.Any("input") is null ? "content" : "input";
        var inputs = TextPrompts.Read(body, name, model.Vocabulary.Count);
        body.Accept("model");
        body.Close();
        body.ThrowIfFaulty();
        var vectors = model.Pooling == PoolingKind.None
            ? await PooledText.ComputeTokensAsync(http, model, Texts(model, inputs, name))
            : [.. (await EmbedAllAsync(http, model, inputs, name)).Vectors.Select(vector => new[] { vector })];
        await http.WriteJsonAsync(json =>
        {
            json.WriteStartArray();
            for (var i = 0; i < vectors.Length; i++)
            {
                json.WriteStartObject();
                json.WriteNumber("index", i);
                json.WriteStartArray("embedding");
                foreach (var vector in vectors[i])
                {
                    json.WriteStartArray();
                    foreach (var value in vector) json.WriteNumberValue(value);
                    json.WriteEndArray();
                }

                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }

    private ServedModel Require()
    {
        var model = state.Require();
        if (model.Pooling is not { } pooling) throw new ApiException(PooledText.NotSupported("This worker answers; start one with --embeddings for embeddings."));
        return pooling == PoolingKind.Rank
            ? throw new ApiException(PooledText.NotSupported("This worker's pooling is rank, which gives no embedding of a text. Start it with --pooling mean, cls or last."))
            : model;
    }

    private static ImmutableArray<int>[] Texts(ServedModel model, ImmutableArray<TextPrompt> inputs, string name) =>
        [.. inputs.Select((input, i) => PooledText.Require(model, model.TokenizePlain(input), $"{name}[{i}]"))];

    private static async Task<(float[][] Vectors, int Tokens)> EmbedAllAsync(HttpContext http, ServedModel model, ImmutableArray<TextPrompt> inputs, string name)
    {
        var texts = Texts(model, inputs, name);
        var vectors = await PooledText.ComputeAsync(http, model, texts);
        foreach (var vector in vectors)
        {
            var norm = TensorPrimitives.Norm(vector);
            if (norm > 0) TensorPrimitives.Divide(vector, norm, vector);
        }

        return (vectors, texts.Sum(tokens => tokens.Length));
    }

    private static void Write(Utf8JsonWriter json, ServedModel model, float[][] vectors, bool asBase64, int tokens)
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteString("model", model.Names.Id);
        json.WriteStartArray("data");
        for (var i = 0; i < vectors.Length; i++)
        {
            json.WriteStartObject();
            json.WriteString("object", "embedding");
            json.WriteNumber("index", i);
            if (asBase64)
            {
                json.WriteBase64String("embedding", MemoryMarshal.AsBytes(vectors[i].AsSpan()));
            }
            else
            {
                json.WriteStartArray("embedding");
                foreach (var value in vectors[i]) json.WriteNumberValue(value);
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", tokens);
        json.WriteNumber("total_tokens", tokens);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
