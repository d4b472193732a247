using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Dealing;
using FinerCut.Pruning.Elimination;
using FinerCut.Pruning.Memory;
using FinerCut.Pruning.Reports;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Pruning.Jobs;

/// <summary>A mask that a search came by.</summary>
/// <param name="Steps">That led to it.</param>
/// <param name="Bytes">Gone with it, healing's share taken off.</param>
/// <param name="Search">That came by it.</param>
internal sealed record PathPoint(CutMask Mask, long Bytes, ImmutableArray<PruneStep> Steps, SearchKind Search);

/// <summary>What a job's search found.</summary>
/// <param name="Path">At least one; the last is where the search ended.</param>
/// <param name="Costs">What it priced by.</param>
/// <param name="Notes">For the result's reader.</param>
internal sealed record SearchOutcome(
    ImmutableArray<PathPoint> Path, UnitCosts Costs, JobBudget Budget, ImmutableArray<string> Notes, ImmutableArray<SublayerSensitivity> Sensitivity, ImmutableArray<double?> UnitDistances);

/// <summary>A job's search, from the model's units to the mask: resumes by the journal in the work folder. Used once, on one thread.</summary>
internal sealed class SearchPhase(JobContext context, FullModel full, CalibrationSet calibration, JobProgress progress)
{
    /// <summary>Tokens of a candidate's first look in a lazy search: most are far from winning, and a quarter says so.</summary>
    private const double FirstShare = 0.25;

    private ChannelImportance? _importance;

    private PruneRequest Request => context.Request;

    public static HashSet<Sublayer> NamedIn(ImmutableArray<string> names) =>
        [.. (names.IsDefault ? [] : names).Select(name => Sublayer.TryParse(name, out var sublayer) ? sublayer : throw new ArgumentException(name))];

    /// <summary>What must stay: the sublayers that the request names, and those of the other kind where it allows only one.</summary>
    public static HashSet<Sublayer> KeptOf(PruneRequest request, ModelShape shape) =>
        [.. NamedIn(request.Keep), .. shape.Sublayers().Where(sublayer => request.Only is { } only && sublayer.Kind != only)];

    /// <param name="priced">From what removals save to what they save once healing has spent its share.</param>
    /// <param name="fitTexts">That the rest will be fitted anew on; null where it will not be.</param>
    /// <param name="cancellationToken">Stops within one evaluation; the journal is saved.</param>
    public SearchOutcome Run(Func<UnitCosts, UnitCosts> priced, HealingTexts? fitTexts, CancellationToken cancellationToken)
    {
        var grains = GrainsOf(Request);
        var notes = ImmutableArray.CreateBuilder<string>();
        var options = JobMemory.Options(full.Shape, Request, context.Threads);
        var surgeon = TextsOfSurgeon(grains, fitTexts, notes, cancellationToken);
        var scored = surgeon?.Scored ?? calibration;

        // Which channels a unit of the surgeon's holds follows from all of its moments' texts.
        var journal = EvaluationJournal.Open(Path.Combine(Request.WorkFolder, "checkpoint.json"), JobFingerprint.Of(Request, full.Sha256, surgeon?.Moments ?? calibration));
        var plan = surgeon is null ? null : PlanFor(surgeon.Moments, grains, options, notes, cancellationToken);
        var units = plan?.Units ?? UnitsFor(grains, notes, cancellationToken);
        if (FileUnits.Merged(units, grains, SlicesPerFfn(plan is not null)) is { } merged) notes.Add(merged);
        var budget = JobBudget.Open(context, full, units, cancellationToken);
        var steps = new List<PruneStep>();
        var opened = context.Time.GetTimestamp();
        using var scoring = SearchScoring.Open(context, full, units, scored, options, (done, all) => progress.Phase(PrunePhase.Reference, done, all), cancellationToken);
        if (scoring.IsReferenceCompact) notes.Add($"Of each position the full model's {Request.TopK} most likely tokens are kept, all others as one: distances are lower bounds of those over whole rows (docs/pruning.md).");
        progress.Units = [.. units.Parts.Select(parts => parts.Length)];
        progress.Passed(scoring.PassedTokens, context.Time.GetElapsedTime(opened).TotalSeconds);
        progress.SearchBegins(journal.Count, journal.Seconds);
        var journaled = new JournaledScorer(scoring.Scorer, journal, context.Time);
        var problem = new SearchProblem(
            Moves.Of(units, grains, KeptOf(Request, full.Shape)), priced(FileUnits.Costs(full.File.Model, units)), budget.Search, Request.WarmUp)
        {
            Weights = FileUnits.Weights(units, _importance),
        };
        progress.OnStep = step =>
        {
            var bytes = step.BytesRemoved - steps.Sum(made => made.Bytes);
            var (kv, decode) = budget.Of(step.Mask);
            steps.Add(new PruneStep(step.Number, step.Removed.Name, step.Distance, bytes, step.Evaluations, journaled.Seconds - steps.Sum(made => made.Seconds))
            {
                KvBytes = kv - steps.Sum(made => made.KvBytes), DecodeMs = decode - steps.Sum(made => made.DecodeMs),
            });
            journal.Save(steps.Select(made => made.Removed));
        };
        try
        {
            var found = SearchFor(problem, plan, cancellationToken).Run(problem, journaled, progress, cancellationToken);
            notes.AddRange(scoring.Notes);
            return found.Count == 0
                ? throw new JobFailure(JobErrorCodes.BudgetUnreachable, "budget: nothing may be removed.")
                : new SearchOutcome(
                    [.. found.Select((step, index) => new PathPoint(step.Mask, step.BytesRemoved, [.. steps.Take(index + 1)], Kind(plan)))], problem.Costs, budget, notes.ToImmutable(), Sensitivities.Of(journal, units), Sensitivities.OfUnits(journal, units, plan?.Errors ?? []));
        }
        catch (OperationCanceledException)
        {
            journal.Save();
            throw;
        }
        finally
        {
            // The progress outlives the search, and must not keep its reference and states.
            progress.OnStep = null;
        }
    }

    private static ImmutableArray<PruneGrain> GrainsOf(PruneRequest request) => request switch
    {
        { Grains.IsDefaultOrEmpty: false } => request.Grains,
        { Search: SearchKind.Paper or SearchKind.Random } => [PruneGrain.Sublayer],

        // Parts of a sublayer do not count: a search that may take them could go on for long without one more that is gone.
        { Budget: { Sublayers: not null }, Search: not (SearchKind.Sleb or SearchKind.ShortGpt or SearchKind.LastBlocks) } => [PruneGrain.Sublayer],
        { Search: SearchKind.Sleb or SearchKind.ShortGpt or SearchKind.LastBlocks } => [PruneGrain.Block],
        _ => Moves.AllGrains,
    };

    private int SlicesPerFfn(bool surgeon) => Request.SlicesPerFfn > 0 ? Request.SlicesPerFfn : surgeon ? EliminationPlan.Slices : PruneRequest.DefaultSlicesPerFfn;

    private SearchKind Kind(EliminationPlan? plan) => plan is not null ? SearchKind.Surgeon : Request.Search == SearchKind.Auto ? SearchKind.RacingGreedy : Request.Search;

    /// <summary>What the surgeon looks at where it searches: it is asked for, or nothing else is and it can be had. Null where it does not.</summary>
    private SurgeonTexts? TextsOfSurgeon(ImmutableArray<PruneGrain> grains, HealingTexts? fitTexts, ImmutableArray<string>.Builder notes, CancellationToken cancellationToken)
    {
        if (Request.Search is not (SearchKind.Surgeon or SearchKind.Auto)) return null;
        var obstacle = fitTexts is null ? "what is left is not fitted anew (healing refit or auto, and a model that is written as deci)"
            : !EliminationPlan.Covers(full.File.Model, full.Shape) ? "an output projection is of a type that is not written here"
            : Request.ChannelOrder == ChannelOrder.File ? "channel_order file leaves it no choice of channels"
            : Request.Budget is { Sublayers: null } && !grains.Contains(PruneGrain.KvGroup) && !grains.Contains(PruneGrain.FfnSlice) ? "no grain is finer than a sublayer"
            : grains.Contains(PruneGrain.Block) && !grains.Contains(PruneGrain.Sublayer) && !(grains.Contains(PruneGrain.KvGroup) && grains.Contains(PruneGrain.FfnSlice)) ? "these grains let some sublayers go with their block only" : null;
        if (fitTexts is not null && obstacle is null)
        {
            // Where only answers count, general text has no place in a distance.
            if (Request.DistanceTokens == DistanceTokens.Answers) return new SurgeonTexts(calibration, calibration);
            var texts = SurgeonTexts.Of(calibration, fitTexts.General((done, all) => progress.Phase(PrunePhase.Texts, done, all), cancellationToken));
            FreedMemory.GiveBack();
            return texts;
        }

        if (Request.Search == SearchKind.Surgeon) throw new JobFailure(JobErrorCodes.BadRequest, $"search: surgeon cannot be had: {obstacle}. Ask for racing_greedy.");
        notes.Add($"Searched by races: {obstacle}.");
        return null;
    }

    private EliminationPlan PlanFor(CalibrationSet texts, ImmutableArray<PruneGrain> grains, ScoringOptions options, ImmutableArray<string>.Builder notes, CancellationToken cancellationToken)
    {
        var made = EliminationPlan.Make(
            full.Model, full.File, full.Shape, grains, SlicesPerFfn(surgeon: true), texts, options with { StateBytes = JobMemory.MomentBytes(full.Shape, Request) },
            (done, all) => progress.Phase(PrunePhase.Reference, done, all), cancellationToken);
        notes.Add("Distances of the steps are the surgeon's predictions of the healed model's (docs/pruning.md); the gate's figures are measured.");

        // The moments were most of what was held.
        FreedMemory.GiveBack();
        return made;
    }

    private ISearch SearchFor(SearchProblem problem, EliminationPlan? plan, CancellationToken cancellationToken) => Kind(plan) switch
    {
        SearchKind.Surgeon => new SurgeonSearch(plan!.Errors),
        SearchKind.Paper or SearchKind.Sleb => new PaperSearch(),
        SearchKind.LazyGreedy => new LazyGreedySearch(FirstShare),
        SearchKind.RacingGreedy => new RacingGreedySearch(),
        SearchKind.Beam => new BeamSearch(),
        SearchKind.Local => new LocalSearch(),
        SearchKind.Evolutionary => new EvolutionarySearch(Request.Seed),
        SearchKind.ShortGpt => FixedOrderSearch.ByInfluence(
            problem, BlockInfluence.Measure(full.Model, full.Shape, calibration, new ScoringOptions(context.Threads), cancellationToken)),
        SearchKind.OneShot => new OneShotSearch(),
        SearchKind.LastBlocks => FixedOrderSearch.LastFirst(problem),
        SearchKind.Random => FixedOrderSearch.Shuffled(problem, Request.Seed),
        _ => throw new ArgumentOutOfRangeException(nameof(problem), Request.Search, "No such search."),
    };

    private UnitMap UnitsFor(ImmutableArray<PruneGrain> grains, ImmutableArray<string>.Builder notes, CancellationToken cancellationToken)
    {
        var model = full.File.Model;
        var slices = SlicesPerFfn(surgeon: false);
        if (!full.Shape.FfnUnits || !grains.Contains(PruneGrain.FfnSlice) || Request.ChannelOrder == ChannelOrder.File) return FileUnits.For(model, full.Shape, grains, slices, null);
        if (ChannelImportance.WithoutNorms(model).FirstOrDefault() is { } tensor)
        {
            notes.Add($"FFN channels are ranked by their activations alone where the type of ffn_down is not decoded here ({tensor} and others of its type).");
        }

        var energies = ChannelProbe.Measure(full.Model, full.Shape, calibration, new ScoringOptions(context.Threads), cancellationToken);
        _importance = ChannelImportance.Of(full.File, energies);
        return FileUnits.For(model, full.Shape, grains, slices, _importance);
    }
}
