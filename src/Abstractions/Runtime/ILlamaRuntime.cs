namespace FinerCut.Runtime;

/// <summary>The seam to llama.cpp: one loaded native library. Thread-safe; lives as long as the process.</summary>
public interface ILlamaRuntime
{
    /// <summary>Which library answers, and where it was loaded from.</summary>
    RuntimeInfo Info { get; }

    /// <summary>Maps a GGUF file. Vet the file first: native code trusts it (design §2).</summary>
    /// <exception cref="LlamaException">The file is missing, no model, or does not fit.</exception>
    /// <exception cref="OperationCanceledException">Cancelled while loading.</exception>
    ILlamaModel Load(ModelOptions options, IProgress<float>? progress, CancellationToken cancellationToken);
}

/// <summary>A loaded model. Thread-safe: sessions of one model may run on different threads.</summary>
public interface ILlamaModel : IDisposable
{
    LlamaModelInfo Info { get; }

    IVocabulary Vocabulary { get; }

    /// <summary>A context of its own: KV memory, batch buffers, threads. Dispose it before the model.</summary>
    /// <exception cref="LlamaException">The context does not fit in memory or an option is refused.</exception>
    ILlamaSession Open(SessionOptions options);
}

/// <summary>
/// One llama context. Not thread-safe: exactly one thread at a time may call it, and it owns everything that the session hands out.
/// Further capabilities (embeddings, adapters, saved sequences) are asked for by <see cref="GetService"/>.
/// </summary>
public interface ILlamaSession : IServiceProvider, IDisposable
{
    SessionInfo Info { get; }

    ISequenceMemory Memory { get; }

    /// <summary>Computes the batch. On <see cref="DecodeStatus.NoSpace"/> nothing was kept of it and the caller may free space and retry.</summary>
    /// <exception cref="LlamaException">The native call failed for good (code in the exception).</exception>
    DecodeStatus Decode(TokenBatch batch);

    /// <summary>Logits [vocabulary] of the batch's token at <paramref name="batchIndex"/>, which must have asked for them. Valid until the next decode.</summary>
    ReadOnlySpan<float> Logits(int batchIndex);

    /// <summary>A sampler chain over this session's logits; dispose it before the session.</summary>
    ISampler CreateSampler(SamplerOptions options);
}

/// <summary>Sequences' KV cells (llama_memory_*). Positions are token positions; a negative bound means "open". Owned by the session's thread.</summary>
public interface ISequenceMemory
{
    /// <summary>Removes [from, to) of a sequence, or of all where <paramref name="sequence"/> is negative. False where the memory can only drop whole sequences.</summary>
    bool Remove(int sequence, int from, int to);

    /// <summary>Shares the cells [from, to) of one sequence with another; no computation.</summary>
    void Copy(int source, int target, int from, int to);

    /// <summary>Moves positions [from, to) by <paramref name="delta"/> (context shift).</summary>
    void Shift(int sequence, int from, int to, int delta);

    /// <summary>Largest position of the sequence, -1 when empty.</summary>
    int LastPosition(int sequence);

    /// <summary>Forgets every sequence.</summary>
    void Clear();
}

/// <summary>A chain of libllama's samplers. Owned by the session's thread.</summary>
public interface ISampler : IDisposable
{
    /// <summary>Samples from the logits at <paramref name="batchIndex"/> and accepts the token into the chain's history.</summary>
    int Sample(int batchIndex);

    /// <summary>Puts a token into the history (penalties) without sampling; prompts are fed this way.</summary>
    void Accept(int token);
}

/// <summary>Text to tokens and back. Thread-safe.</summary>
public interface IVocabulary
{
    int Count { get; }

    SpecialTokens Special { get; }

    /// <summary>Tokens of a text. <paramref name="parseSpecial"/> reads control tokens such as &lt;|im_start|&gt; as tokens: only for text from templates.</summary>
    int[] Tokenize(string text, bool addSpecial, bool parseSpecial);

    /// <summary>
    /// Writes the token's bytes (a piece of UTF-8, possibly a part of a character) and returns their number;
    /// control tokens give bytes only with <paramref name="special"/>. A negative result is the number of bytes that were needed.
    /// </summary>
    int Piece(int token, Span<byte> destination, bool special);

    bool IsEndOfGeneration(int token);
}
