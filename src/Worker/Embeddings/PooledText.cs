using System.Collections.Immutable;
using FinerCut.Runtime;
using FinerCut.Worker.Batching;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.Embeddings;

/// <summary>What a model makes of a whole text: its embedding, or with pooling rank its scores.</summary>
internal static class PooledText
{
    public static ApiError NotSupported(string message) => new(501, "not_supported_error", message, null, "not_supported");

    /// <exception cref="ApiException">There are no tokens, or more than are computed at once.</exception>
    /// <param name="path">Of the text in the body.</param>
    public static ImmutableArray<int> Require(ServedModel model, ImmutableArray<int> tokens, string path)
    {
        // Positions that the model does not have would make native code abort.
        var most = Math.Min(model.Loop.Config.Step.BatchTokens, model.Loop.Config.ContextLimit);
        if (tokens.IsEmpty) throw new ApiException(ApiError.Invalid($"'{path}' has no tokens: at least one is needed.", path));
        return tokens.Length <= most
            ? tokens
            : throw new ApiException(ApiError.Invalid(
                $"'{path}' has {tokens.Length} tokens; at most {most} are computed at once. Shorten it, or start the worker with a larger --ubatch-size.",
                path,
                "context_length_exceeded"));
    }

    /// <summary>One visit each: others have their turn in between, and a client that went is noticed.</summary>
    public static Task<float[][]> ComputeAsync(HttpContext http, ServedModel model, IReadOnlyList<ImmutableArray<int>> texts) =>
        VisitAsync(http, model, texts, (embeddings, _) => embeddings.OfSequence(0).ToArray());

    /// <summary>The embedding of every token, where nothing is pooled.</summary>
    public static Task<float[][][]> ComputeTokensAsync(HttpContext http, ServedModel model, IReadOnlyList<ImmutableArray<int>> texts) =>
        VisitAsync(http, model, texts, (embeddings, count) => Enumerable.Range(0, count).Select(i => embeddings.OfToken(i).ToArray()).ToArray());

    private static async Task<T[]> VisitAsync<T>(HttpContext http, ServedModel model, IReadOnlyList<ImmutableArray<int>> texts, Func<IEmbeddings, int, T> read)
    {
        var results = new T[texts.Count];
        for (var i = 0; i < texts.Count; i++)
        {
            http.RequestAborted.ThrowIfCancellationRequested();
            var tokens = texts[i];
            try
            {
                results[i] = await model.Loop.VisitAsync(context => read(Compute(context, tokens), tokens.Length));
            }
            catch (LlamaException exception)
            {
                throw new ApiException(ApiError.Server($"The model could not compute this text ({exception.Code}).", "decode_failed"));
            }
        }

        return results;
    }

    /// <summary>On the loop's thread. Nothing else is in the memory of a worker that only embeds.</summary>
    private static IEmbeddings Compute(BatchContext context, ImmutableArray<int> tokens)
    {
        var batch = new TokenBatch(tokens.Length);
        for (var i = 0; i < tokens.Length; i++) batch.Add(tokens[i], i, 0, logits: true);
        context.Session.Memory.Clear();
        if (context.Session.Decode(batch) != DecodeStatus.Done) throw new LlamaException(LlamaErrorCode.DecodeFailed, "There was no room for the text.");
        context.Meters?.OnPrompt(tokens.Length);
        return (IEmbeddings)context.Session.GetService(typeof(IEmbeddings))!;
    }
}
