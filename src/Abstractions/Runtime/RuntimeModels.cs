namespace FinerCut.Runtime;

/// <param name="Adapter">Native or LLamaSharp.</param>
/// <param name="Version">llama.cpp release of the library.</param>
/// <param name="Folder">Where the natives were loaded from.</param>
/// <param name="System">What the library says of the processor (llama_print_system_info).</param>
/// <param name="SupportsGpu">Whether a loaded backend can take layers off the CPU.</param>
public sealed record RuntimeInfo(string Adapter, string Version, string Folder, string System, bool SupportsGpu)
{
    /// <summary>Natives for a GPU lie there and drive none: why, file by file. Models then run on the CPU. Null otherwise.</summary>
    public string? GpuTrouble { get; init; }
}

/// <summary>How a model is loaded; llama.cpp's names (llama_model_params).</summary>
public sealed record ModelOptions
{
    public required string Path { get; init; }

    /// <summary>
    /// Layers on the GPU, -1 = as many as there are, where there is a GPU. 0 = no GPU takes part at all: neither memory of it is held, nor are long prompts computed there with weights
    /// that are copied for it (llama.cpp's --device none).
    /// </summary>
    public int GpuLayers { get; init; }

    public SplitMode SplitMode { get; init; } = SplitMode.Layer;

    public int MainGpu { get; init; }

    /// <summary>Map the file instead of reading it.</summary>
    public bool UseMmap { get; init; } = true;

    /// <summary>Keep weights out of swap.</summary>
    public bool UseMlock { get; init; }

    /// <summary>Let the backend repack weights for speed. Repacked kernels round differently: scoring and its proof use the same setting.</summary>
    public bool Repack { get; init; } = true;
}

public enum SplitMode { None, Layer, Row }

public enum KvType { F32, F16, Q8_0, Q4_0 }

public enum FlashAttention { Auto, Off, On }

public enum PoolingKind { Unspecified, None, Mean, Cls, Last, Rank }

/// <summary>How a context is made; llama.cpp's names (llama_context_params).</summary>
public sealed record SessionOptions
{
    /// <summary>Tokens of KV memory, all sequences together.</summary>
    public int ContextLength { get; init; } = 4096;

    /// <summary>Most tokens one decode takes.</summary>
    public int BatchSize { get; init; } = 2048;

    /// <summary>Most tokens computed at once.</summary>
    public int MicroBatchSize { get; init; } = 512;

    public int MaxSequences { get; init; } = 1;

    /// <summary>Most tokens of one batch that ask for logits; 0 = all. A small number saves the memory of that many rows of logits.</summary>
    public int MaxOutputs { get; init; }

    /// <summary>Threads for single tokens; 0 = the machine's processors.</summary>
    public int Threads { get; init; }

    /// <summary>Threads for prompts; 0 = as <see cref="Threads"/>.</summary>
    public int BatchThreads { get; init; }

    public KvType KeyType { get; init; } = KvType.F16;

    public KvType ValueType { get; init; } = KvType.F16;

    public FlashAttention FlashAttention { get; init; } = FlashAttention.Auto;

    /// <summary>All sequences share one pool of cells, so that one of them may use all.</summary>
    public bool UnifiedKv { get; init; } = true;

    public bool Embeddings { get; init; }

    public PoolingKind Pooling { get; init; } = PoolingKind.Unspecified;

    /// <summary>
    /// Lets a GPU that has some of the layers compute long batches of the others too, with weights that are copied for it. Not beside an observer that leaves nodes uncomputed: products' weights
    /// would be nameless copies, and libllama asserts on experts that nobody chose.
    /// </summary>
    public bool OpOffload { get; init; } = true;

    /// <summary>Sees every node of every graph before and after it is computed (design §5); null costs nothing.</summary>
    public IGraphObserver? GraphObserver { get; init; }

    /// <summary>Asked during a decode; true ends it with <see cref="DecodeStatus.Aborted"/>. Called on native threads, must not throw.</summary>
    public Func<bool>? Abort { get; init; }
}

public sealed record SessionInfo(int ContextLength, int BatchSize, int MicroBatchSize, int MaxSequences, int Threads, int BatchThreads);

public enum DecodeStatus { Done, NoSpace, Aborted }

/// <param name="Description">llama_model_desc.</param>
/// <param name="ContextLength">Tokens the model was trained for.</param>
/// <param name="SizeBytes">Bytes of its tensors.</param>
/// <param name="ParameterCount">Weights.</param>
/// <param name="ChatTemplate">Jinja of tokenizer.chat_template, null where the file has none.</param>
/// <param name="Metadata">The file's key-values as text; arrays are abbreviated.</param>
public sealed record LlamaModelInfo(
    string Path,
    string Description,
    int VocabularySize,
    int EmbeddingLength,
    int BlockCount,
    int ContextLength,
    long SizeBytes,
    long ParameterCount,
    bool HasEncoder,
    bool HasDecoder,
    string? ChatTemplate,
    IReadOnlyDictionary<string, string> Metadata)
{
    /// <summary>Whether a GPU computes some of its layers.</summary>
    public bool IsOnGpu { get; init; }
}

/// <summary>Token ids, -1 where the vocabulary has none.</summary>
public sealed record SpecialTokens(int Bos, int Eos, int Eot, int Sep, int Nl, int Pad, bool AddBos, bool AddEos, int FimPrefix, int FimSuffix, int FimMiddle);

/// <summary>One request's sampling, in llama.cpp's order and meaning. Defaults: OpenAI's (temperature 1, no filters).</summary>
public sealed record SamplerOptions
{
    /// <summary>0 = greedy.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>0 = off.</summary>
    public int TopK { get; init; }

    public float TopP { get; init; } = 1;

    public float MinP { get; init; }

    public float TypicalP { get; init; } = 1;

    public float TopNSigma { get; init; } = -1;

    public float XtcProbability { get; init; }

    public float XtcThreshold { get; init; } = 0.1f;

    public float DynamicTemperatureRange { get; init; }

    public float DynamicTemperatureExponent { get; init; } = 1;

    /// <summary>Tokens of history that penalties see; 0 = none, -1 = the whole context.</summary>
    public int PenaltyLastN { get; init; } = -1;

    public float RepeatPenalty { get; init; } = 1;

    public float FrequencyPenalty { get; init; }

    public float PresencePenalty { get; init; }

    public float DryMultiplier { get; init; }

    public float DryBase { get; init; } = 1.75f;

    public int DryAllowedLength { get; init; } = 2;

    public int DryPenaltyLastN { get; init; } = -1;

    public IReadOnlyList<string> DrySequenceBreakers { get; init; } = ["\n", ":", "\"", "*"];

    /// <summary>0 = off, 1 or 2.</summary>
    public int Mirostat { get; init; }

    public float MirostatTau { get; init; } = 5;

    public float MirostatEta { get; init; } = 0.1f;

    /// <summary>Same seed, same logits, same tokens.</summary>
    public uint Seed { get; init; }

    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>GBNF; null = free.</summary>
    public string? Grammar { get; init; }

    public string GrammarRoot { get; init; } = "root";
}

/// <summary>The native side refused. <see cref="Code"/> is stable and machine-readable; the message says what to do.</summary>
public sealed class LlamaException(LlamaErrorCode code, string message, Exception? inner = null) : Exception(message, inner)
{
    public LlamaErrorCode Code { get; } = code;
}

public enum LlamaErrorCode { NativesMissing, AbiMismatch, ModelNotFound, ModelNotLoaded, ContextNotCreated, DecodeFailed, TokenizeFailed, InvalidOption, InvalidGrammar, StateNotSaved, StateNotLoaded, AdapterNotLoaded }
