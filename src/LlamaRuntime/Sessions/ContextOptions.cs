using System.Globalization;

namespace FinerCut.Runtime.Native;

/// <summary>Checks session options (a wrong one would abort inside ggml) and fills in what they leave open.</summary>
internal static class ContextOptions
{
    private const int MaxContextLength = 1 << 27;
    internal const int MaxThreads = 512; // GGML_MAX_N_THREADS

    /// <exception cref="LlamaException">All refused options at once, each with its value and what is allowed.</exception>
    internal static SessionOptions Settle(SessionOptions options, LlamaModelInfo model)
    {
        var faults = new List<string>();
        InRange(faults, nameof(options.ContextLength), options.ContextLength, 1, MaxContextLength);
        InRange(faults, nameof(options.BatchSize), options.BatchSize, 1, MaxContextLength);
        InRange(faults, nameof(options.MicroBatchSize), options.MicroBatchSize, 1, MaxContextLength);
        InRange(faults, nameof(options.MaxSequences), options.MaxSequences, 1, (int)Llama.MaxParallelSequences());
        InRange(faults, nameof(options.Threads), options.Threads, 0, MaxThreads);
        InRange(faults, nameof(options.BatchThreads), options.BatchThreads, 0, MaxThreads);
        InRange(faults, nameof(options.MaxOutputs), options.MaxOutputs, 0, MaxContextLength);
        Known(faults, nameof(options.KeyType), options.KeyType);
        Known(faults, nameof(options.ValueType), options.ValueType);
        Known(faults, nameof(options.FlashAttention), options.FlashAttention);
        Known(faults, nameof(options.Pooling), options.Pooling);
        if (options.MaxOutputs > 0 && options.MaxOutputs < options.MaxSequences)
            faults.Add($"MaxOutputs is {options.MaxOutputs}: at least one output for each of the {options.MaxSequences} sequences is needed, or 0 for all");
        if (Math.Min(options.BatchSize, options.ContextLength) < options.MaxSequences)
            faults.Add($"BatchSize is {options.BatchSize} and ContextLength {options.ContextLength}: both must be at least MaxSequences, {options.MaxSequences}");
        if (options.ValueType is KvType.Q8_0 or KvType.Q4_0 && options.FlashAttention == FlashAttention.Off)
            faults.Add($"ValueType {options.ValueType} needs flash attention, which is off");
        if (model.HasEncoder && model.HasDecoder) faults.Add($"{model.Description} is an encoder-decoder model, which this runtime does not decode");
        if (faults.Count == 0 && KvBytes(options, model) is { } bytes && bytes > GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)
        {
            throw new LlamaException(
                LlamaErrorCode.ContextNotCreated,
                FormattableString.Invariant($"A context of {options.ContextLength} tokens needs {bytes / 1e9:F1} GB of KV memory and does not fit: the machine has ")
                + FormattableString.Invariant($"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 1e9:F1} GB. Ask for a shorter context or a smaller KV type."));
        }

        if (faults.Count > 0) throw new LlamaException(LlamaErrorCode.InvalidOption, $"Session options are refused: {string.Join("; ", faults)}.");

        var threads = options.Threads == 0 ? Environment.ProcessorCount : options.Threads;
        var atOnce = Math.Min(options.MicroBatchSize, options.BatchSize);
        // Pooling asserts when the library rounds the micro-batch up to whole sequences (llama_context::graph_reserve), so it is made whole here.
        if (options.Embeddings) atOnce = Math.Max(1, Math.Min(atOnce, options.ContextLength) / options.MaxSequences) * options.MaxSequences;
        return options with
        {
            MicroBatchSize = atOnce,
            MaxOutputs = options.Embeddings ? 0 : Math.Min(options.MaxOutputs, options.BatchSize),
            Threads = threads,
            BatchThreads = options.BatchThreads == 0 ? threads : options.BatchThreads,
        };
    }

    /// <summary>enum llama_pooling_type.</summary>
    internal static int PoolingType(PoolingKind kind) => kind == PoolingKind.Unspecified ? -1 : (int)kind - 1;

    /// <summary>enum llama_flash_attn_type.</summary>
    internal static int FlashAttentionType(FlashAttention flash) => flash switch { FlashAttention.Auto => -1, FlashAttention.Off => 0, _ => 1 };

    /// <summary>enum ggml_type.</summary>
    internal static int GgmlType(KvType type) => type switch { KvType.F32 => 0, KvType.F16 => 1, KvType.Q8_0 => 8, _ => 2 };

    /// <summary>
    /// Bytes of plain attention's KV memory; null where the file tells of another kind (per-layer heads, latent attention, recurrent states). Allocating
    /// more than there is succeeds on Linux and ends with the process killed, so it is refused here.
    /// </summary>
    private static double? KvBytes(SessionOptions options, LlamaModelInfo model)
    {
        if (!model.Metadata.TryGetValue("general.architecture", out var architecture)) return null;
        if (model.Metadata.Keys.Any(key => key.Contains(".ssm.", StringComparison.Ordinal) || key.EndsWith(".kv_lora_rank", StringComparison.Ordinal))) return null;
        if (Number("attention.head_count_kv") is not { } groups || Number("attention.head_count") is not { } heads || heads <= 0) return null;
        var headLength = model.EmbeddingLength / heads;
        double PerToken(string length, KvType type) => groups * (Number(length) ?? headLength) * type switch
        {
            KvType.F32 => 4,
            KvType.F16 => 2,
            KvType.Q8_0 => 34 / 32.0,
            _ => 18 / 32.0,
        };
        return options.ContextLength * (double)model.BlockCount * (PerToken("attention.key_length", options.KeyType) + PerToken("attention.value_length", options.ValueType));

        double? Number(string key) =>
            model.Metadata.TryGetValue($"{architecture}.{key}", out var text) && double.TryParse(text, CultureInfo.InvariantCulture, out var number) ? number : null;
    }

    private static void InRange(List<string> faults, string name, int value, int least, int most)
    {
        if (value < least || value > most) faults.Add($"{name} is {value}, allowed are {least} to {most}");
    }

    private static void Known<T>(List<string> faults, string name, T value)
        where T : struct, Enum
    {
        if (!Enum.IsDefined(value)) faults.Add($"{name} is {value}, allowed are {string.Join(", ", Enum.GetNames<T>())}");
    }
}
