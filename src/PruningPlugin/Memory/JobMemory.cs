using System.Globalization;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Elimination;
using FinerCut.Pruning.Scoring;

namespace FinerCut.Pruning.Memory;

/// <summary>
/// What a job takes beside the full model's weights, planned from the model's shape alone (docs/scaling.md has the formulas and how they were checked). Search, healing and proof
/// come one after the other, and each gives back what it held. Pure.
/// </summary>
/// <param name="Process">.NET, the libraries and their tables.</param>
/// <param name="Session">One session of the scorer's batch: KV cells, intermediate results, logits.</param>
/// <param name="Reference">What is kept of the full model's output.</param>
/// <param name="States">Residual states of the current mask.</param>
/// <param name="Elimination">The surgeon's moments and matrices of one sublayer's path, before the search.</param>
/// <param name="Healing">Streams, inputs and second moments of one fit.</param>
/// <param name="Proof">A second session, a batch of logits and the lean model's weights.</param>
public sealed record JobMemory(long Process, long Session, long Reference, long States, long Elimination, long Healing, long Proof)
{
    /// <summary>.NET with its compiled code and the heap's slack, resident while a job runs: measured (docs/scaling.md).</summary>
    private const long Programs = 190L << 20;

    /// <summary>Of <see cref="Programs"/>, what is on the managed heap.</summary>
    private const long HeapOfPrograms = 40L << 20;

    /// <summary>llama.cpp's and our own tables, a token of the vocabulary.</summary>
    private const int BytesOfWord = 450;

    /// <summary>What a search may take where a request says nothing.</summary>
    public const long DefaultSearchBytes = 2L << 30;

    /// <summary>The phases come one after the other.</summary>
    public long Peak => Process + Session + Math.Max(WithRoom(Math.Max(Math.Max(Reference + States, Elimination), Healing)), Proof);

    /// <param name="leanBytes">Of the lean file's tensors at most: the full model's.</param>
    public static JobMemory Plan(ModelShape shape, PruneRequest request, long leanBytes)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(request);
        var share = ShareOf(SearchBytes(shape, request));
        return new JobMemory(
            Fixed(shape), SessionOf(shape, request), Math.Min(ReferenceOf(shape, request, share), 2 * share), Math.Min(share, AllStates(shape, request)),
            EliminationOf(shape, request, MomentBytes(shape, request)), request.Healing == HealingKind.None ? 0 : HealingOf(shape, request), SessionOf(shape, request) + BatchLogits(shape, request) + leanBytes);
    }

    /// <summary>What a search may take, reference and states above all. Below the compact reference's size a job cannot run.</summary>
    public static long SearchBytes(ModelShape shape, PruneRequest request)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(request);
        return request.MemoryBytes is { } all ? all - Fixed(shape) - SessionOf(shape, request) : DefaultSearchBytes;
    }

    /// <summary>Null where the request's memory is enough; otherwise how much is.</summary>
    public static string? Misfit(ModelShape shape, PruneRequest request, long leanBytes)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.MemoryBytes is not { } given) return null;
        var smallest = ReferenceRows.IsCompact(request.Measure, int.MaxValue, 1, 0) ? CompactOf(request) : 2L * request.MaxCalibrationTokens * shape.VocabularySize;
        var plan = Plan(shape, request, leanBytes);
        var elimination = EliminationOf(shape, request, 0);
        var needed = (plan with { Reference = smallest, States = smallest, Elimination = elimination }).Peak;
        return needed <= given ? null : string.Create(
            CultureInfo.InvariantCulture,
            $"memory_bytes: {given} are too few for this model; {needed} are needed beside its weights (program {plan.Process}, a session {plan.Session}, then the most of reference {smallest} twice, the surgeon's matrices {elimination} and healing {plan.Healing}, with a seventh of it for what lives briefly, or proof {plan.Proof}). Fewer max_healing_tokens or max_calibration_tokens need less.");
    }

    /// <summary>
    /// What the managed heap may take where a request states its memory, null elsewhere. Without a limit the heap lets garbage grow to about the size of what lives on it before it collects, and a job's large
    /// matrices are garbage soon.
    /// </summary>
    public static long? HeapLimit(ModelShape shape, PruneRequest request) => request?.MemoryBytes is null ? null : SearchBytes(shape, request) + HeapOfPrograms;

    /// <summary>Options that keep a search within its share.</summary>
    public static ScoringOptions Options(ModelShape shape, PruneRequest request, int threads)
    {
        var share = ShareOf(SearchBytes(shape, request));
        return new ScoringOptions(threads, share, share) { Tokens = request.DistanceTokens, TopK = request.TopK };
    }

    /// <summary>What moments may take that the surgeon sums in one run, beside the matrices of a path; one sublayer's, where they are more.</summary>
    public static long MomentBytes(ModelShape shape, PruneRequest request)
    {
        ArgumentNullException.ThrowIfNull(shape);
        var search = SearchBytes(shape, request);
        return Math.Max(0, Math.Min(ShareOf(search), WithoutRoom(search) - PathOf(shape)));
    }

    /// <summary>What reference and states may take each.</summary>
    private static long ShareOf(long search) => WithoutRoom(search) / 2;

    /// <summary>
    /// With an eighth of the whole for what lives briefly on the heap, and for holes in it: jobs that were given what lives alone were out of memory one time and not the other.
    /// </summary>
    private static long WithRoom(long bytes) => ((8 * bytes) + 6) / 7;

    private static long WithoutRoom(long bytes) => Math.Max(0, bytes) * 7 / 8;

    private static int BatchTokens(ModelShape shape, PruneRequest request) => Math.Max(new ScoringOptions(1).BatchTokens(shape.VocabularySize, request.GpuLayers != 0), request.MaxSequenceTokens);

    private static long Fixed(ModelShape shape) => Programs + ((long)shape.VocabularySize * BytesOfWord);

    /// <summary>Logits of a batch once more: a copy of the full model's.</summary>
    private static long BatchLogits(ModelShape shape, PruneRequest request) => (long)BatchTokens(shape, request) * shape.VocabularySize * sizeof(float);

    private static long SessionOf(ModelShape shape, PruneRequest request)
    {
        long tokens = BatchTokens(shape, request), cells = (tokens + 255) / 256 * 256;
        var kv = cells * shape.Blocks.Sum(block => Budgets.KvCosts.BytesOf(shape, block.KvGroupCount));
        long ffn = shape.Blocks.Max(block => block.FfnLength), heads = (long)shape.Blocks.Max(block => block.HeadCount) * shape.HeadLength;

        // The widest place of the graph, the mask over all cells; logits in the graph and in the output buffer.
        var compute = (tokens * sizeof(float) * (Math.Max(3 * ffn, 3 * heads) + (3L * shape.EmbeddingLength))) + (tokens * cells * 6);
        return kv + compute + (2 * BatchLogits(shape, request));
    }

    private static long ReferenceOf(ModelShape shape, PruneRequest request, long budget)
    {
        var whole = (long)request.MaxCalibrationTokens * shape.VocabularySize;
        if (ReferenceRows.IsCompact(request.Measure, request.MaxCalibrationTokens, shape.VocabularySize, budget)) return CompactOf(request);
        return 4 * whole <= budget ? 4 * whole : 2 * whole;
    }

    private static long CompactOf(PruneRequest request) => (long)request.MaxCalibrationTokens * ((8L * request.TopK) + 8);

    private static long AllStates(ModelShape shape, PruneRequest request) =>
        (long)request.MaxCalibrationTokens * shape.EmbeddingLength * sizeof(float) * Math.Max(0, shape.Sublayers().Count() - 1);

    /// <summary>
    /// The surgeon's, where it may search: moments of as many sublayers as there is room for, of one at least, with a batch of their inputs; then the matrices of one path.
    /// </summary>
    private static long EliminationOf(ModelShape shape, PruneRequest request, long room)
    {
        if (request.Search is not (SearchKind.Auto or SearchKind.Surgeon) || request.Healing is not (HealingKind.Auto or HealingKind.Refit)) return 0;
        var tokens = BatchTokens(shape, request);
        long[] each = [.. shape.Sublayers().Select(sublayer => InputMoments.BytesOf(shape, sublayer, tokens))];
        return Math.Max(each.Max(), Math.Min(each.Sum(), room)) + PathOf(shape);
    }

    /// <summary>Of one path: the centred moments, their factor, its inverse with the unit matrix that it was solved from, and the projection's weights some times.</summary>
    private static long PathOf(ModelShape shape)
    {
        var widest = Widest(shape);
        return (3 * widest * widest * sizeof(double)) + (6 * widest * shape.EmbeddingLength * sizeof(float));
    }

    private static long Widest(ModelShape shape) => Math.Max(shape.Blocks.Max(block => (long)block.FfnLength), shape.Blocks.Max(block => (long)block.HeadCount * shape.HeadLength));

    /// <summary>
    /// Of one fit: both runs' streams with a copy, the projection's inputs with a copy; its second moments in double precision, in whose place their factor comes, and as much of garbage; the map of both parts
    /// of the error in its forms, while it is rounded the projection's weights and grids; a batch's inputs three times.
    /// </summary>
    private static long HealingOf(ModelShape shape, PruneRequest request)
    {
        long tokens = request.HealingTokens, widest = Widest(shape);
        return (tokens * sizeof(float) * ((4L * shape.EmbeddingLength) + (2 * widest))) + (2 * widest * widest * sizeof(double)) + (12 * widest * shape.EmbeddingLength * sizeof(float))
            + (3 * widest * BatchTokens(shape, request) * sizeof(float));
    }
}
