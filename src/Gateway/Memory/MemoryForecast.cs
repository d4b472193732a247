using FinerCut.Gateway.Configuration;
using FinerCut.Gguf;
using FinerCut.Runtime;

namespace FinerCut.Gateway.Memory;

/// <summary>Bytes that a worker is going to take, by what they are for.</summary>
/// <param name="Weights">Of the file, mapped; and those that the CPU backend holds a second time, repacked.</param>
/// <param name="Kv">Keys and values of the whole context, in the types of the settings.</param>
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
    /// <summary>Of one kind of memory: a petabyte stands for all that is more.</summary>
    private const long Most = 1L << 50;

    private static readonly Int128 Unbounded = (Int128)1 << 100;

    /// <summary>llama.cpp takes 512.</summary>
    private const int MostBlocks = 100_000;

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
    /// <param name="path">Of the model.</param>
    /// <param name="contextSize">Tokens, of all sequences together.</param>
    /// <param name="parallel">Requests at a time.</param>
    /// <param name="device">Types of the KV memory; null: half precision.</param>
    public static MemoryForecast OfWorker(string path, int contextSize, int parallel, DeviceConfig? device = null)
    {
        using var file = GgufShards.Open(path);
        return OfWorker(file.Model, contextSize, parallel, device);
    }

    public static MemoryForecast OfWorker(GgufModel model, int contextSize, int parallel, DeviceConfig? device = null)
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
        var ofCell = Times(keyLength, BytesOf32(device?.KeyType)) + Times(valueLength, BytesOf32(device?.ValueType));
        return new MemoryForecast(
            Bytes(Sum(model.Tensors.Select(tensor => IsRepacked(tensor) ? 2 * (Int128)tensor.ByteCount : tensor.ByteCount))),
            Bytes(Times(Times(Sum(keyHeads.Select(heads => (Int128)heads)), ofCell), cells) / 32),
            Bytes(Compute(batch, cells, embedding, feedForward, Times(widest, keyLength)) + Times(vocabulary, (parallel + KeptSequences) * sizeof(float))),
            Bytes(WorkerProcess + Times(vocabulary, BytesOfWord)));
    }

    /// <summary>Of the Worker's prune: one loaded model, and the full model's logits of all tokens that are scored.</summary>
    /// <param name="given">What the order lets it take beside the weights (the job keeps to it); null = forecast.</param>
    public static MemoryForecast OfJob(string path, long scoredTokens, int longestSequence, long? given = null)
    {
        using var file = GgufShards.Open(path);
        var worker = OfWorker(file.Model, Math.Max(longestSequence, MicroBatch), MicroBatch - KeptSequences);
        if (given is { } most) return new MemoryForecast(worker.Weights, 0, 0, Bytes(most));
        var vocabulary = file.Model.FindTensor("token_embd.weight")?.Rows ?? 0;
        return worker with { Process = Bytes(worker.Process + Times(Times(scoredTokens, vocabulary), sizeof(float))) };
    }

    /// <summary>
    /// The allocator reuses memory, so that what counts is the widest place of the graph: the feed-forward's gate, up and product beside the residual
    /// and its norm, or queries and attention's outputs; and the mask over all cells.
    /// </summary>
    private static Int128 Compute(long batch, long cells, long embedding, long feedForward, Int128 queries) =>
        Times(batch * sizeof(float), (3 * Int128.Max(feedForward, queries)) + (3 * (Int128)embedding)) + ((Int128)batch * cells * (sizeof(float) + sizeof(short)));

    /// <summary>Of 32 elements: quantised types are blocks of so many.</summary>
    private static int BytesOf32(KvType? type) => type switch { KvType.F32 => 128, KvType.Q8_0 => 34, KvType.Q4_0 => 18, _ => 64 };

    /// <summary>What a file claims may be any number: products stop at a bound that no machine has, so that they neither wrap around nor throw.</summary>
    private static Int128 Times(Int128 one, Int128 other) => one == 0 ? 0 : Int128.Min(other, Unbounded / one) * one;

    private static Int128 Sum(IEnumerable<Int128> all) => all.Aggregate(Int128.Zero, (sum, one) => sum + one);

    private static long Bytes(Int128 bytes) => (long)Int128.Min(bytes, Most);

    private static bool IsRepacked(GgufTensorInfo tensor) =>
        tensor.Shape.Length == 2 && tensor.Name.StartsWith("blk.", StringComparison.Ordinal) && Repacked.Contains(GgmlTypes.Of(tensor.Type).Name);

    private static long Whole(GgufModel model, string key, long otherwise) => model.Find(key) is { IsInteger: true } value ? Numbers(value)[0] : otherwise;

    /// <summary>One number for all blocks, or one each.</summary>
    private static long[] PerBlock(GgufModel model, string key, long blocks) => model.Find(key) switch
    {
        { IsInteger: true } one when blocks is > 0 and <= MostBlocks => [.. Enumerable.Repeat(Numbers(one)[0], (int)blocks)],
        { IsArray: true, Count: <= MostBlocks } all when GgufValueTypes.IsInteger(all.ElementType) => Numbers(all),
        _ => [],
    };

    /// <summary>Whatever the file says, as a number from 0 on.</summary>
    private static long[] Numbers(GgufValue value)
    {
        if (value.ElementType != GgufValueType.UInt64) return Array.ConvertAll(value.GetIntegers(), number => Math.Max(0, number));
        return Array.ConvertAll(value.GetElements<ulong>().ToArray(), number => (long)Math.Min(number, long.MaxValue));
    }
}
