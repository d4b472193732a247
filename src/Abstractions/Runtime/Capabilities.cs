namespace FinerCut.Runtime;

/// <summary>Embeddings of the last decode; of sessions opened with <see cref="SessionOptions.Embeddings"/>. Ask the session for it; its thread.</summary>
public interface IEmbeddings
{
    /// <summary>How a sequence's embedding is made; the model's own choice where the options left it open.</summary>
    PoolingKind Pooling { get; }

    /// <summary>Numbers of one embedding; with <see cref="PoolingKind.Rank"/> the number of scores.</summary>
    int Length { get; }

    /// <summary>Embedding of one token; where <see cref="Pooling"/> is none. Valid until the next decode.</summary>
    ReadOnlySpan<float> OfToken(int batchIndex);

    /// <summary>Pooled embedding (or scores) of one sequence of the last batch. Valid until the next decode.</summary>
    ReadOnlySpan<float> OfSequence(int sequence);
}

/// <summary>A sequence's KV cells and tokens in a file of the adapter's own. Ask the session for it; its thread.</summary>
public interface ISequenceFiles
{
    /// <summary>Writes beside the path and renames: the file is whole or absent. Returns its bytes.</summary>
    /// <param name="note">What the caller wants to know again when it is loaded; at most 64 KiB as UTF-8.</param>
    /// <exception cref="LlamaException">StateNotSaved.</exception>
    long Save(string path, int sequence, ReadOnlySpan<int> tokens, string note);

    /// <summary>Replaces the sequence by the file's and returns its tokens. A file that is refused leaves the sequence; one that does not fit leaves it empty.</summary>
    /// <param name="check">Sees the note before anything is changed, and may throw.</param>
    /// <exception cref="LlamaException">StateNotLoaded: not such a file, damaged, of another model, or it does not fit.</exception>
    int[] Load(string path, int sequence, Action<string> check);
}

/// <summary>A loaded LoRA adapter; lives as long as its model.</summary>
/// <param name="Metadata">The file's key-values as text.</param>
public sealed record LoraAdapter(string Path, IReadOnlyDictionary<string, string> Metadata);

/// <summary>LoRA adapters (GGUF). Ask the session for it; its thread. Loaded adapters are shared by all sessions of the model.</summary>
public interface ILoraAdapters
{
    /// <summary>Loads an adapter, or returns it where the model has it already.</summary>
    /// <exception cref="LlamaException">AdapterNotLoaded: missing, no adapter, or of another model.</exception>
    LoraAdapter Load(string path);

    /// <summary>What this session's next decodes use, with their strengths; none = the bare model. Cached tokens keep what they were computed with.</summary>
    void Use(IReadOnlyList<(LoraAdapter Adapter, float Scale)> adapters);
}

/// <summary>What a sampler drew its last token from: the tokens that all filters left. A sampler may have it; valid until any sampler of the session draws again.</summary>
public interface IDrawOdds
{
    /// <summary>Natural logarithm of the probability that a token was drawn with; negative infinity where it was filtered out.</summary>
    float LogOdds(int token);

    /// <summary>The most likely of them, at most so many, likeliest first; none whose probability is 0.</summary>
    IReadOnlyList<(int Token, float LogOdds)> Likeliest(int most);
}

/// <param name="PromptTokens">Tokens of batches of more than one.</param>
/// <param name="GeneratedTokens">Tokens that were decoded alone.</param>
/// <param name="GraphReuses">Decodes that reused the last graph.</param>
public sealed record DecodeCounters(int PromptTokens, double PromptMilliseconds, int GeneratedTokens, double GenerationMilliseconds, int GraphReuses);

/// <summary>libllama's own counters (llama_perf_context). Ask the session for it; its thread.</summary>
public interface IDecodeCounters
{
    DecodeCounters Read();

    void Reset();
}
