using System.Collections.Immutable;
using System.Text;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Proofs;
using FinerCut.Pruning.Reports;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Jobs;

/// <summary>One job from a loaded model to its result. Used once, on one thread.</summary>
internal sealed class PruneJob : IDisposable
{
    /// <summary>Fewest conversations whose bootstrap says anything.</summary>
    private const int MinConversations = 4;

    /// <summary>The gate's general text is not the text that healing was fitted on.</summary>
    private const int GateSeed = 7919;

    private readonly JobContext _context;
    private readonly FullModel _full;
    private readonly PruneTraffic _traffic;
    private readonly JobProgress _progress;

    private PruneJob(JobContext context, FullModel full, PruneTraffic traffic, JobProgress progress)
    {
        _context = context;
        _full = full;
        _traffic = traffic;
        _progress = progress;
    }

    private PruneRequest Request => _context.Request;

    /// <summary>Checks everything that can be checked before work begins, and loads the model.</summary>
    /// <exception cref="JobFailure">The job cannot run as asked.</exception>
    public static PruneJob Open(JobContext context, IPruneTrafficSource source, CancellationToken cancellationToken)
    {
        // Proof and gate cost about three evaluations of the held-out set's size, measuring about two more.
        var progress = new JobProgress(context.Progress, context.Time, 2 + (6.0 * context.Request.MaxHeldOutTokens / context.Request.MaxCalibrationTokens));
        progress.Phase(PrunePhase.Loading, 0, 1);
        var full = FullModel.Open(context, shape => CheckBudget(context.Request, shape), cancellationToken);
        try
        {
            var traffic = source.Draw(context.Request, full.Model);
            CheckTraffic(context.Request, traffic);
            progress.Phase(PrunePhase.Loading, 1, 1);
            return new PruneJob(context, full, traffic, progress);
        }
        catch
        {
            full.Dispose();
            throw;
        }
    }

    public PruneResult Run(CancellationToken cancellationToken)
    {
        var healing = new JobHealing(_context, _full, _traffic);
        var (mask, steps, notes, sensitivity) = new SearchPhase(_context, _full, _traffic.Calibration, _progress).Run(healing.Costs, cancellationToken);
        var healed = healing.Heal(mask, _progress, cancellationToken);
        var result = new PruneResult
        {
            JobId = Request.JobId,
            Outcome = PruneOutcome.Refused,
            Steps = steps,
            Notes = notes,
            Removed = [.. mask.ToString().Split(' ')],
            Shares = [.. _full.Shape.Sublayers().Where(mask.IsTouched).Select(sublayer => new SublayerShare(sublayer.ToString(), mask.RemovedParts(sublayer).Length / (double)mask.Units.PartCount(sublayer)))],
            Sensitivity = sensitivity,
            Blocks = _full.Shape.Blocks.Length,
            Evaluations = steps.Sum(step => step.Evaluations),
            CalibrationTokens = _traffic.Calibration.TokenCount,
            HeldOutTokens = _traffic.HeldOut.TokenCount,
            Healed = healed.Summary,
            HealingBytes = healed.Bytes,
        };

        // Under another name until the gate has spoken: what stands at the output path has passed.
        var unproven = Request.OutputPath + ".unproven";
        try
        {
            Write(mask, healed, steps, unproven, cancellationToken);
            result = Prove(result, new HealedMask(mask, healed, _full.File), unproven, cancellationToken);
            if (result.Outcome == PruneOutcome.Passed)
            {
                File.Move(unproven, Request.OutputPath, overwrite: true);
                AtomicFile.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(Request.OutputPath))!);
            }
        }
        finally
        {
            File.Delete(unproven);
        }

        result = result with { Seconds = _progress.ElapsedSeconds };
        AtomicFile.Write(Request.OutputPath + ".report.html", Encoding.UTF8.GetBytes(ReportPage.Write(result)));
        _progress.Phase(PrunePhase.Done, 1, 1, 0);
        return result;
    }

    public void Dispose() => _full.Dispose();

    private static void CheckBudget(PruneRequest request, ModelShape shape)
    {
        var keep = SearchPhase.KeptOf(request);
        var unknown = keep.Where(sublayer => !shape.Sublayers().Contains(sublayer)).ToArray();
        if (unknown.Length > 0) throw new JobFailure(JobErrorCodes.BadRequest, $"keep: the model has no {string.Join(", ", unknown)}; it has {shape.Blocks.Length} blocks.");
        var open = shape.Sublayers().Where(sublayer => !keep.Contains(sublayer)).ToArray();
        var budget = SearchBudget.Of(request.Budget, shape);
        if (budget.Sublayers > open.Length || (budget.Sublayers == open.Length && keep.Count == 0))
        {
            throw new JobFailure(JobErrorCodes.BudgetUnreachable, $"budget.sublayers: {budget.Sublayers} of {open.Length} removable sublayers would leave no model; ask for fewer.");
        }

        if (budget.Bytes > open.Sum(shape.BytesOf) * 0.95)
        {
            throw new JobFailure(JobErrorCodes.BudgetUnreachable, $"budget: {budget.Bytes} of {open.Sum(shape.BytesOf)} removable bytes would leave no model; ask for less.");
        }
    }

    private static void CheckTraffic(PruneRequest request, PruneTraffic traffic)
    {
        foreach (var set in new[] { traffic.Calibration, traffic.HeldOut })
        {
            if (set.TokenCount < request.MinTokens || set.Sequences.Length < MinConversations)
            {
                throw new JobFailure(
                    JobErrorCodes.TooFewTokens,
                    $"The {set.Name} set has {set.TokenCount} tokens in {set.Sequences.Length} conversations; {request.MinTokens} tokens in {MinConversations} are needed. Record more traffic.");
            }
        }

        if (!traffic.Calibration.IsDisjointFrom(traffic.HeldOut))
        {
            throw new JobFailure(JobErrorCodes.SetsOverlap, "A conversation is in the calibration and in the held-out set; what is judged must not have been searched on.");
        }

        if (traffic.HeldOut.Sequences.All(sequence => sequence.AnswerStart >= sequence.Tokens.Length))
        {
            throw new JobFailure(JobErrorCodes.TooFewTokens, "The held-out set has no answer within max_sequence_tokens: the gate could not judge answers. Record traffic with shorter prompts, or allow longer sequences.");
        }
    }

    private void Write(CutMask mask, HealedModel healed, ImmutableArray<PruneStep> steps, string path, CancellationToken cancellationToken)
    {
        _progress.Phase(PrunePhase.Writing, 0, 1);
        var method = $"{Word(Request.Search)}/{Word(Request.Distance)}";
        var provenance = new Provenance(_full.Sha256, [.. steps.Select(step => step.Removed)], [.. steps.Select(step => step.Distance)], method);
        GgufWriter.Write(Rewriters.For(_full.Shape.Architecture).Plan(_full.File, mask, provenance, healed), path, null, cancellationToken);
        _progress.Phase(PrunePhase.Writing, 1, 1);
    }

    private PruneResult Prove(PruneResult result, HealedMask expected, string path, CancellationToken cancellationToken)
    {
        using var lean = _context.Runtime.Load(new ModelOptions { Path = path }, null, cancellationToken);
        var proof = FileProof.Run(
            _full.Model, lean, expected, _traffic.HeldOut, new ScoringOptions(_context.Threads), (done, all) => _progress.Phase(PrunePhase.Verifying, done, all), cancellationToken);
        _progress.Phase(PrunePhase.Gate, 0, 1);
        using var written = GgufFile.Open(path);
        var tolerance = Math.Max(_context.MaxMaskedFileDifference, Rewriters.ToleranceOf(_full.File.Model, written.Model.Architecture!));
        var generation = GenerationProof.Run(_full.Model, lean, _traffic.HeldOut, unchecked(Request.Seed + GateSeed), _context.Threads, cancellationToken);
        var gate = Gate.Judge(proof.Conversations, Request.Gate, Request.Seed, proof.MaxDifference, tolerance, proof.SimulationKl, generation);
        _progress.Phase(PrunePhase.Gate, 1, 1);
        var (full, fast) = new SpeedProbe(_context.Time, _context.Threads).Compare(
            _full.Model, lean, (done, all) => _progress.Phase(PrunePhase.Measuring, done, all), cancellationToken);
        var sublayers = _full.Shape.Sublayers().Count();
        return result with
        {
            Examples = SideBySide.Make(_full.Model, lean, _context.Threads, cancellationToken),
            Outcome = gate.Passed ? PruneOutcome.Passed : PruneOutcome.Refused,
            OutputPath = gate.Passed ? Request.OutputPath : null,
            Gate = gate,
            Full = new ModelFigures(_full.File.Length, sublayers, KvBytes(_full.Shape.Blocks.Sum(block => block.KvGroupCount)), full.Prefill, full.Decode, _full.Sha256),
            Lean = new ModelFigures(
                written.Length, sublayers - expected.Mask.GoneSublayers().Count(), KvBytes(KvHeads(written.Model)), fast.Prefill, fast.Decode, JobFingerprint.OfFile(path, cancellationToken)),
        };
    }

    /// <summary>Bytes a token of keys and values in f16.</summary>
    private long KvBytes(int kvHeads) => 2L * kvHeads * _full.Shape.HeadLength * sizeof(short);

    private static int KvHeads(GgufModel model)
    {
        string[] keys = [$"{model.Architecture}.attention.head_count_kv", $"{model.Architecture}.attention.head_count"];
        return keys.FirstOrDefault(key => model.Find(key) is not null) is { } known ? model.GetInt32s(known, model.GetInt32($"{model.Architecture}.block_count")).Sum() : 0;
    }

    private static string Word<T>(T value)
        where T : struct, Enum => System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}
