using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Pruning.Budgets;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Memory;
using FinerCut.Pruning.Proofs;
using FinerCut.Pruning.Reports;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Jobs;

/// <summary>
/// One point of a search's path made into a file that has yet to pass: healed, written beside the output path under another name, loaded. Disposing
/// deletes the file unless it was accepted. One thread.
/// </summary>
internal sealed class LeanCandidate : IDisposable
{
    /// <summary>The gate's general text is not the text that healing was fitted on.</summary>
    private const int GateSeed = 7919;

    private readonly JobContext _context;
    private readonly FullModel _full;
    private readonly JobProgress _progress;
    private readonly PathPoint _point;
    private readonly HealedModel _healed;
    private ILlamaModel? _lean;
    private Estimate? _unhealed;

    private LeanCandidate(JobContext context, FullModel full, JobProgress progress, PathPoint point, HealedModel healed) =>
        (_context, _full, _progress, _point, _healed) = (context, full, progress, point, healed);

    public HealedModel Healed => _healed;

    private PruneRequest Request => _context.Request;

    private string Path => Request.OutputPath + ".unproven";

    public static LeanCandidate Make(JobContext context, FullModel full, JobProgress progress, PathPoint point, JobHealing healing, CancellationToken cancellationToken)
    {
        var candidate = new LeanCandidate(context, full, progress, point, healing.Heal(point.Mask, progress, cancellationToken));
        try
        {
            // What healing held goes back to the system before the proof takes its own (JobMemory).
            FreedMemory.GiveBack();
            candidate.Write(cancellationToken);
            candidate._lean = context.Load(candidate.Path, cancellationToken);
            return candidate;
        }
        catch
        {
            candidate.Dispose();
            throw;
        }
    }

    /// <summary>The gate's verdict on held-out conversations.</summary>
    public GateReport Judge(CalibrationSet heldOut, GateThresholds thresholds, CancellationToken cancellationToken)
    {
        var proof = FileProof.Run(
            _full.Model, _lean!, new HealedMask(_point.Mask, _healed, _full.File), heldOut, new ScoringOptions(_context.Threads),
            (done, all) => _progress.Phase(PrunePhase.Verifying, done, all), cancellationToken);
        _unhealed = proof.Unhealed.IsEmpty ? null : Bootstrap.Mean(proof.Unhealed, thresholds.Confidence, Request.Seed);
        _progress.Phase(PrunePhase.Gate, 0, 1);
        using var written = GgufFile.Open(Path);
        var tolerance = Rewriters.ToleranceOf(_full.File.Model, written.Model.Architecture!);
        FileKl? fileKl = !_healed.IsEmpty ? new FileKl(Gate.HealedFileKl, proof.FileKl) : !_context.IsExact ? new FileKl(Gate.MaskedFileKl, proof.FileKl) : null;
        var generation = GenerationProof.Run(_full.Model, _lean!, heldOut, unchecked(Request.Seed + GateSeed), _context.Threads, cancellationToken);
        var gate = Gate.Judge(proof.Conversations, thresholds, Request.Seed, proof.MaxDifference, tolerance, fileKl, generation);
        _progress.Phase(PrunePhase.Gate, 1, 1);
        return gate;
    }

    /// <summary>Both models' measures, what is said of the calibration set, and answers to look at.</summary>
    /// <param name="decodeContext">Tokens in the memory for decode steps; null where they are not wanted.</param>
    public PruneResult Describe(PruneResult result, CalibrationSet calibration, int? decodeContext, CancellationToken cancellationToken)
    {
        var calibrationKl = CalibrationKl.Run(
            _full.Model, _lean!, calibration, new ScoringOptions(_context.Threads), Request.Gate.Confidence, Request.Seed, (done, all) => _progress.Phase(PrunePhase.Measuring, 50 * done / all, 100), cancellationToken);
        var (full, fast) = new SpeedProbe(_context.Time, _context.Threads, new SpeedPlan()).Compare(
            _full.Model, _lean!, (done, all) => _progress.Phase(PrunePhase.Measuring, 50 + (50 * done / all), 100), cancellationToken);
        DecodeFigures? decode = null;
        if (decodeContext is { } length)
        {
            var (before, after) = DecodeProbe.Compare(_full.Model, _lean!, length, _context.Threads, _context.Time, cancellationToken);
            decode = new DecodeFigures(length, before, after);
        }

        var sublayers = _full.Shape.Sublayers().Count();
        using var written = GgufFile.Open(Path);
        var kv = KvCosts.BytesOf(_full.Shape, KvHeads(written.Model));
        return result with
        {
            Examples = SideBySide.Make(_full.Model, _lean!, _context.Threads, cancellationToken),
            CalibrationKl = calibrationKl,
            UnhealedKl = _unhealed,
            Decode = decode,
            Full = new ModelFigures(_full.File.Length, sublayers, KvCosts.Total(_full.Shape), full.Prefill, full.Decode, _full.Sha256),
            Lean = new ModelFigures(
                written.Length, sublayers - _point.Mask.GoneSublayers().Count(), kv, fast.Prefill, fast.Decode, JobFingerprint.OfFile(Path, cancellationToken)),
        };
    }

    /// <summary>Gives the file its name.</summary>
    public void Accept()
    {
        _lean?.Dispose();
        _lean = null;
        File.Move(Path, Request.OutputPath, overwrite: true);
        Checkpoints.AtomicFile.FlushFolder(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Request.OutputPath))!);
    }

    public void Dispose()
    {
        _lean?.Dispose();
        File.Delete(Path);
    }

    private void Write(CancellationToken cancellationToken)
    {
        _progress.Phase(PrunePhase.Writing, 0, 1);
        var method = $"{Word(_point.Search)}/{Word(Request.Measure)}";
        var provenance = new Provenance(_full.Sha256, [.. _point.Steps.Select(step => step.Removed)], [.. _point.Steps.Select(step => step.Distance)], method);
        GgufWriter.Write(Rewriters.For(_full.Shape.Architecture).Plan(_full.File, _point.Mask, provenance, _healed), Path, null, cancellationToken);
        _progress.Phase(PrunePhase.Writing, 1, 1);
    }

    private static int KvHeads(GgufModel model)
    {
        string[] keys = [$"{model.Architecture}.attention.head_count_kv", $"{model.Architecture}.attention.head_count"];
        return keys.FirstOrDefault(key => model.Find(key) is not null) is { } known ? model.GetInt32s(known, model.GetInt32($"{model.Architecture}.block_count")).Sum() : 0;
    }

    private static string Word<T>(T value)
        where T : struct, Enum => System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}
