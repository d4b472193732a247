using System.Collections.Immutable;
using System.Text;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Memory;
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
        var progress = new JobProgress(context.Progress, context.Time);
        progress.Phase(PrunePhase.Loading, 0, 1);
        var full = FullModel.Open(context, shape => Prepare(context, shape), cancellationToken);
        try
        {
            var traffic = source.Draw(context.Request, full.Model);
            progress.Phase(PrunePhase.Loading, 1, 1);
            if (context.Request.TopUp) traffic = traffic with { Calibration = CalibrationTopUp.Fill(context, full, traffic.Calibration, progress, cancellationToken) };
            CheckTraffic(context.Request, traffic);
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
        var texts = new HealingTexts(_context, _full, _traffic);
        var healing = new JobHealing(_context, _full, texts);
        _progress.Forecast = () => healing.Forecast(_traffic.Calibration.TokenCount, _traffic.HeldOut.TokenCount);
        var search = new SearchPhase(_context, _full, _traffic.Calibration, _progress).Run(healing.Costs, healing.Fits ? texts : null, cancellationToken);

        // Reference and states are most of what a job holds: back to the system before healing and proof take theirs (JobMemory).
        FreedMemory.GiveBack();
        var result = new PruneResult
        {
            JobId = Request.JobId,
            Outcome = PruneOutcome.Refused,
            Notes = [.. _context.Notes, .. search.Notes],
            Sensitivity = search.Sensitivity,
            Blocks = _full.Shape.Blocks.Length,
            Evaluations = search.Path[^1].Steps.Sum(step => step.Evaluations),
            CalibrationTokens = _traffic.Calibration.TokenCount,
            HeldOutTokens = _traffic.HeldOut.TokenCount,
        };
        result = Request.Budget.Leanest ? Leanest(result, search, healing, cancellationToken) : TheLast(result, search, healing, cancellationToken);
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        result = result with { Seconds = _progress.ElapsedSeconds, PeakMemoryBytes = process.PeakWorkingSet64 };
        AtomicFile.Write(Request.OutputPath + ".report.html", Encoding.UTF8.GetBytes(ReportPage.Write(result)));
        _progress.Phase(PrunePhase.Done, 1, 1, 0);
        return result;
    }

    public void Dispose() => _full.Dispose();

    private PruneResult TheLast(PruneResult result, SearchOutcome search, JobHealing healing, CancellationToken cancellationToken)
    {
        using var candidate = LeanCandidate.Make(_context, _full, _progress, search.Path[^1], healing, cancellationToken);
        return Finish(result, search, search.Path[^1], candidate, candidate.Judge(_traffic.HeldOut, Request.Gate, cancellationToken), cancellationToken);
    }

    private PruneResult Leanest(PruneResult result, SearchOutcome search, JobHealing healing, CancellationToken cancellationToken)
    {
        var (choosing, proving) = LeanestPoint.Split(_traffic.HeldOut);
        PathPoint[] points = [.. search.Path.Where(point => point.Bytes > 0).GroupBy(point => point.Bytes).Select(alike => alike.Last()).OrderBy(point => point.Bytes)];
        long[] removed = [.. points.Select(point => point.Bytes)];
        var gate = Request.Gate with { Confidence = LeanestPoint.ConfidenceOfTry(Request.Gate.Confidence) };
        var tries = ImmutableArray.CreateBuilder<LeanestTry>();
        bool Passes(int point, CalibrationSet half, Action<LeanCandidate, GateReport> then)
        {
            using var candidate = LeanCandidate.Make(_context, _full, _progress, points[point], healing.At($"healing-{points[point].Steps.Length}"), cancellationToken);
            var report = candidate.Judge(half, gate, cancellationToken);
            tries.Add(new LeanestTry(points[point].Steps.Length, points[point].Bytes, half == proving, report.Passed, report.Checks.First(check => check.Name == Gate.MeanKl).Value));
            then(candidate, report);
            return report.Passed;
        }

        var chosen = LeanestPoint.Choose(removed, point => Passes(point, choosing, (_, _) => { }));

        // Where nothing passed the least damage is judged all the same: a refusal has its figures.
        foreach (var point in LeanestPoint.WalkBack(removed, Math.Max(chosen, 0)))
        {
            if (Passes(point, proving, (candidate, report) => result = Finish(result, search, points[point], candidate, report, cancellationToken))) break;
        }

        return result with { Tries = tries.ToImmutable() };
    }

    /// <summary>The result with all that is to be said of this candidate, whose file gets its name where the gate passed it.</summary>
    private PruneResult Finish(PruneResult result, SearchOutcome search, PathPoint point, LeanCandidate candidate, GateReport gate, CancellationToken cancellationToken)
    {
        var mask = point.Mask;
        var countsDecode = search.Budget.Search.Others.Any(target => target.Name == "decode_ms");
        result = candidate.Describe(result, _traffic.Calibration, countsDecode ? search.Budget.DecodeContext : null, cancellationToken) with
        {
            Outcome = gate.Passed ? PruneOutcome.Passed : PruneOutcome.Refused,
            OutputPath = gate.Passed ? Request.OutputPath : null,
            Gate = gate,
            Steps = point.Steps,
            Removed = [.. mask.ToString().Split(' ')],
            Shares = [.. _full.Shape.Sublayers().Where(mask.IsTouched).Select(sublayer => new SublayerShare(sublayer.ToString(), mask.RemovedParts(sublayer).Length / (double)mask.Units.PartCount(sublayer)))],
            Units = Sensitivities.Describe(mask, search.UnitDistances),
            Budget = search.Budget.Figures(mask, search.Costs),
            Healed = candidate.Healed.Summary,
            HealingGains = candidate.Healed.Gains,
            HealingBytes = candidate.Healed.Bytes,
        };
        if (gate.Passed) candidate.Accept();
        return result;
    }

    private static void Prepare(JobContext context, ModelShape shape)
    {
        CheckBudget(context.Request, shape);
        if (JobMemory.HeapLimit(shape, context.Request) is { } bytes) context.LimitHeap?.Invoke(bytes);
    }

    private static void CheckBudget(PruneRequest request, ModelShape shape)
    {
        var unknown = SearchPhase.NamedIn(request.Keep).Where(sublayer => !shape.Sublayers().Contains(sublayer)).ToArray();
        if (unknown.Length > 0) throw new JobFailure(JobErrorCodes.BadRequest, $"keep: the model has no {string.Join(", ", unknown)}; it has {shape.Blocks.Length} blocks.");
        if (request.Only is { } only && !shape.SublayersAlone)
        {
            throw new JobFailure(JobErrorCodes.BadRequest, $"only: {only} alone cannot go of a {shape.Architecture} model; its lean files lose whole blocks (docs/pruning.md).");
        }

        JobBudget.Check(request.Budget, shape, SearchPhase.KeptOf(request, shape));
        if (JobMemory.Misfit(shape, request, shape.TensorBytes) is { } misfit) throw new JobFailure(JobErrorCodes.BadRequest, misfit);
    }

    private static void CheckTraffic(PruneRequest request, PruneTraffic traffic)
    {
        foreach (var (set, times) in new[] { (traffic.Calibration, 1), (traffic.HeldOut, request.Budget.Leanest ? 2 : 1) })
        {
            if (set.TokenCount < times * request.MinTokens || set.Sequences.Length < times * MinConversations)
            {
                throw new JobFailure(
                    JobErrorCodes.TooFewTokens,
                    $"The {set.Name} set has {set.TokenCount} tokens in {set.Sequences.Length} conversations; {times * request.MinTokens} tokens in {times * MinConversations} are needed"
                    + (times > 1 ? ", since one half chooses the leanest and the other proves it. Record more traffic." : ". Record more traffic."));
            }
        }

        var answers = traffic.Calibration.Sequences.Sum(sequence => Math.Max(0, sequence.Tokens.Length - Math.Max(sequence.AnswerStart, 1)));
        if (request.DistanceTokens == DistanceTokens.Answers && answers < request.MinTokens)
        {
            throw new JobFailure(
                JobErrorCodes.TooFewTokens,
                $"distance_tokens: the calibration set has {answers} tokens of answers; {request.MinTokens} are needed. Record more traffic, allow longer sequences (max_sequence_tokens), or let all tokens count.");
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
}
