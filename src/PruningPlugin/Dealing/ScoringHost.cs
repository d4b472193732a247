using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Jobs;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Dealing;

/// <summary>The other end of <see cref="HostScorer"/>: a loaded model that scores for searches elsewhere, one search at a time. Calls wait for each other.</summary>
public sealed class ScoringHost : IDisposable
{
    private readonly GgufShards _file;
    private readonly ILlamaModel _model;
    private readonly string _sha256;
    private readonly int _threads;
    private readonly Lock _turn = new();
    private ModelBatchScorer? _scorer;

    private ScoringHost(GgufShards file, ILlamaModel model, ModelShape shape, string sha256, int threads) =>
        (_file, _model, Shape, _sha256, _threads) = (file, model, shape, sha256, threads);

    public ModelShape Shape { get; }

    /// <param name="options">Of a split model its first file. Sums are those of a search on the same kind of device only.</param>
    /// <param name="sha256">Of the file, where the caller knows it; else it is read for it.</param>
    /// <exception cref="GgufException">The file is not sound.</exception>
    /// <exception cref="UnsupportedModelException">Nothing of such a model can be removed.</exception>
    public static ScoringHost Load(ILlamaRuntime runtime, ModelOptions options, string? sha256, int threads, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(runtime);
        ArgumentNullException.ThrowIfNull(options);
        var path = options.Path;
        if (GgufCheck.Check(path) is { IsSound: false } report) throw new GgufException(report.Defects[0], path);
        var file = GgufShards.Open(path);
        try
        {
            var shape = ModelShapeReader.Read(file.Model);
            sha256 ??= JobFingerprint.OfModel(file, cancellationToken);
            return new ScoringHost(file, runtime.Load(options with { Path = file.Files[0].Path }, null, cancellationToken), shape, sha256, threads > 0 ? threads : Environment.ProcessorCount);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Begins a search in the place of the one before.</summary>
    /// <exception cref="BatchScorerException">It means another model, or speaks a later contract.</exception>
    public ScoreOpened Open(ScoreOpening opening, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(opening);
        if (opening.Version > ScoreOpening.CurrentVersion) throw new BatchScorerException($"The search speaks version {opening.Version}, this scorer {ScoreOpening.CurrentVersion}.");
        if (opening.ModelSha256 != _sha256) throw new BatchScorerException($"The search means the model {opening.ModelSha256}, loaded here is {_sha256}.");
        lock (_turn)
        {
            _scorer?.Dispose();
            _scorer = null;
            var units = opening.Units(Shape);
            _scorer = new ModelBatchScorer(_model, units, opening.Set(), opening.Distance, opening.Options(_threads));
            return new ScoreOpened(_scorer.Rows, ProbeOf(_scorer, cancellationToken));
        }
    }

    /// <exception cref="BatchScorerException">No search was begun.</exception>
    public ScoreSums Sums(ScoreShare share, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(share);
        lock (_turn)
        {
            if (_scorer is not { } scorer) throw new BatchScorerException("No search was begun on this scorer.");
            return new ScoreSums([.. scorer.Sums(MaskWords.Read(scorer.Units, share.Announced), [.. share.Masks.Select(mask => MaskWords.Read(scorer.Units, mask))], share.Batch, cancellationToken)]);
        }
    }

    public void Dispose()
    {
        lock (_turn)
        {
            _scorer?.Dispose();
            _model.Dispose();
            _file.Dispose();
        }
    }

    internal static long ProbeOf(ModelBatchScorer scorer, CancellationToken cancellationToken)
    {
        var batch = Math.Max(0, scorer.Rows.IndexOf(scorer.Rows.FirstOrDefault(rows => rows > 0)));
        return BitConverter.DoubleToInt64Bits(scorer.Sums(CutMask.None(scorer.Units), [ScoreOpening.Probe(scorer.Units)], batch, cancellationToken)[0]);
    }
}

/// <summary>Masks as they travel.</summary>
internal static class MaskWords
{
    public static ulong[] Write(CutMask mask) => [.. mask.Words];

    /// <exception cref="BatchScorerException">Not a mask of these units.</exception>
    public static CutMask Read(UnitMap units, ulong[] words)
    {
        if (words.Length != (units.Count + 63) / 64) throw new BatchScorerException($"A mask of {words.Length} words; expected {(units.Count + 63) / 64}.");
        var removed = Enumerable.Range(0, 64 * words.Length).Where(unit => (words[unit >> 6] >> (unit & 63) & 1) != 0).ToArray();
        return removed.Length > 0 && removed[^1] >= units.Count ? throw new BatchScorerException($"A mask with unit {removed[^1]}; there are {units.Count}.") : CutMask.Of(units, removed);
    }
}
