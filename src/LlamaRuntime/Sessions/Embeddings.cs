namespace FinerCut.Runtime.Native;

/// <summary>Embeddings of a session's last decode.</summary>
internal sealed unsafe class Embeddings(Session session, ContextHandle context, ModelHandle model) : IEmbeddings
{
    public PoolingKind Pooling { get; } = Llama.PoolingType(context) switch
    {
        0 => PoolingKind.None,
        1 => PoolingKind.Mean,
        2 => PoolingKind.Cls,
        3 => PoolingKind.Last,
        4 => PoolingKind.Rank,
        _ => PoolingKind.Unspecified,
    };

    public int Length => Pooling == PoolingKind.Rank ? (int)Llama.ModelClassCount(model) : Llama.ModelOutputEmbeddingLength(model);

    public ReadOnlySpan<float> OfToken(int batchIndex)
    {
        session.RequireOutput(batchIndex);
        if (Pooling != PoolingKind.None)
            throw new InvalidOperationException($"Embeddings are pooled ({Pooling}): ask for a sequence's, or open the session with pooling None.");
        return Span(Llama.EmbeddingsIth(context, batchIndex), $"token {batchIndex}");
    }

    public ReadOnlySpan<float> OfSequence(int sequence)
    {
        session.RequireOutput(0);
        ArgumentOutOfRangeException.ThrowIfNegative(sequence);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(sequence, session.Info.MaxSequences);
        if (Pooling == PoolingKind.None) throw new InvalidOperationException("Embeddings are not pooled: ask for a token's, or open the session with a pooling kind.");
        return Span(Llama.EmbeddingsSequence(context, sequence), $"sequence {sequence}");
    }

    private ReadOnlySpan<float> Span(float* values, string what) => values is null
        ? throw new InvalidOperationException($"The last batch gave no embedding of {what}.")
        : new ReadOnlySpan<float>(values, Length);
}
