using FinerCut.Gguf;

namespace FinerCut.Gateway.Memory;

/// <summary>Bytes that a worker is going to take, by what they are for.</summary>
/// <param name="Weights">Of the file, mapped; and those that the CPU backend holds a second time, repacked.</param>
/// <param name="Kv">Keys and values of the whole context, at half precision.</param>
/// <param name="Compute">Intermediate results of the largest batch, logits and mask.</param>
/// <param name="Process">The worker program with its vocabulary, and what else of a job there is.</param>
public sealed record MemoryForecast(long Weights, long Kv, long Compute, long Process)
{
    public long Total => Weights + Kv + Compute + Process;

    public override string ToString() => $"{Mib(Total)} (weights {Mib(Weights)}, KV {Mib(Kv)}, compute {Mib(Compute)}, process {Mib(Process)})";

    internal static string Mib(long bytes) => $"{(bytes + (1 << 19)) >> 20} MiB";
}

/// <summary>Predicts a worker's memory from its file's metadata and its settings, before anything is loaded. Pure but for reading the file's head.</summary>
public static class Forecasts
{
    /// <summary>llama.cpp's default n_ubatch: tokens computed at once.</summary>
    private const int MicroBatch = 512;

    /// <summary>Logit rows of a worker beyond its parallel requests (sequences whose KV is kept), at most.</summary>
    private const int KeptSequences = 8;

    /// <summary>.NET with Kestrel, the libraries and their heaps, resident after the first answers: measured on SmolLM2 (docs/gateway.md).</summary>
    private const long WorkerProcess = 108L << 20;

    /// <summary>llama.cpp's and the worker's own tables, a token of the vocabulary.</summary>
    private const int BytesOfWord = 450;

    /// <summary>Types whose rows the CPU backend may rearrange for speed: ggml-cpu/repack.cpp, get_optimal_repack_type.</summary>
    private static readonly HashSet<string> Repacked = new(StringComparer.OrdinalIgnoreCase) { "q4_0", "iq4_nl", "q4_k", "q2_k", "q5_k", "q6_k", "q8_0" };

    /// <exception cref="GgufException">The file is not sound.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static MemoryForecast OfWorker(string path, int contextSize, int parallel)
    {
        using var file = GgufShards.Open(path);
        return OfWorker(file.Model, contextSize, parallel);
    }

    public static MemoryForecast OfWorker(GgufModel model, int contextSize, int parallel)
    {
        ArgumentNullException.ThrowIfNull(model);
        var architecture = model.Architecture ?? "";
        var blocks = Whole(model, architecture + ".block_count", 0);
        var embedding = Whole(model, architecture + ".embedding_length", 0);
        var vocabulary = model.FindTensor("token_embd.weight")?.Rows ?? 0;
        var heads = PerBlock(model, architecture + ".attention.head_count", blocks);
        var keyHeads = PerBlock(model, architecture + ".attention.head_count_kv", blocks) is { Length: > 0 } given ? given : heads;
        var widest = heads.DefaultIfEmpty(0).Max();
        var head = widest == 0 ? 0 : embedding / widest;
        var keyLength = Whole(model, architecture + ".attention.key_length", head);
        var valueLength = Whole(model, architecture + ".attention.value_length", head);
        var feedForward = PerBlock(model, architecture + ".feed_forward_length", blocks).DefaultIfEmpty(0).Max();
        // Cells are given out in steps of 256 (llama-context.cpp).
        var cells = (contextSize + 255L) / 256 * 256;
        var batch = Math.Min(MicroBatch, cells);
        return new MemoryForecast(
            model.Tensors.Sum(tensor => tensor.ByteCount) + model.Tensors.Where(IsRepacked).Sum(tensor => tensor.ByteCount),
            keyHeads.Sum() * (keyLength + valueLength) * sizeof(short) * cells,
            Compute(batch, cells, embedding, feedForward, widest * keyLength) + (vocabulary * (parallel + KeptSequences) * sizeof(float)),
            WorkerProcess + (vocabulary * BytesOfWord));
    }

    /// <summary>Of the Worker's prune: one loaded model, and the full model's logits of all tokens that are scored.</summary>
    /// <param name="given">What the order lets it take beside the weights (the job keeps to it); null = forecast.</param>
    public static MemoryForecast OfJob(string path, long scoredTokens, int longestSequence, long? given = null)
    {
        using var file = GgufShards.Open(path);
        var worker = OfWorker(file.Model, Math.Max(longestSequence, MicroBatch), MicroBatch - KeptSequences);
        if (given is { } most) return new MemoryForecast(worker.Weights, 0, 0, most);
        var vocabulary = file.Model.FindTensor("token_embd.weight")?.Rows ?? 0;
        return worker with { Process = worker.Process + (scoredTokens * vocabulary * sizeof(float)) };
    }

    /// <summary>
    /// The allocator reuses memory, so that what counts is the widest place of the graph: the feed-forward's gate, up and product beside the residual
    /// and its norm, or queries and attention's outputs; and the mask over all cells.
    /// </summary>
    private static long Compute(long batch, long cells, long embedding, long feedForward, long queries) =>
        batch * sizeof(float) * (Math.Max(3 * feedForward, 3 * queries) + (3 * embedding)) + (batch * cells * (sizeof(float) + sizeof(short)));

    private static bool IsRepacked(GgufTensorInfo tensor) =>
        tensor.Shape.Length == 2 && tensor.Name.StartsWith("blk.", StringComparison.Ordinal) && Repacked.Contains(GgmlTypes.Of(tensor.Type).Name);

    private static long Whole(GgufModel model, string key, long otherwise) => model.Find(key) is { IsInteger: true } value ? Math.Max(0, value.GetInteger()) : otherwise;

    /// <summary>One number for all blocks, or one each.</summary>
    private static long[] PerBlock(GgufModel model, string key, long blocks) => model.Find(key) switch
    {
        { IsInteger: true } one when blocks is > 0 and <= 100_000 => [.. Enumerable.Repeat(Math.Max(0, one.GetInteger()), (int)blocks)],
        { IsArray: true, ElementType: not GgufValueType.String } all => all.GetIntegers(),
        _ => [],
    };
}
