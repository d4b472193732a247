using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Elimination;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;

namespace FinerCut.PruneBench;

/// <summary>What masks are found from, and the folder where scores are kept.</summary>
/// <param name="General">Text that the surgeon looks at beside calibration.</param>
internal sealed record MaskSource(ILlamaModel Model, GgufShards File, CalibrationSet Calibration, Lazy<CalibrationSet> General, ScoringOptions Options, string Folder)
{
    public ModelShape Shape { get; } = ModelShapeReader.Read(File.Model);

    /// <param name="set">That units and scores are of.</param>
    public EvaluationJournal Journal(string name, CalibrationSet set) => EvaluationJournal.Open(
        Path.Combine(Folder, $"{name.Replace(',', '-')}.json"), $"{name} {Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes<int>(set.Sequences.SelectMany(sequence => sequence.Tokens).ToArray())))}");

    public GraphMaskScorer Scorer(UnitMap units, CalibrationSet set, DistanceKind distance) => GraphMaskScorer.Create(Model, units, set, distance, Options, (_, _) => { }, CancellationToken.None);
}

/// <summary>Masks of one search, smaller budgets first.</summary>
internal interface IMaskPath : IDisposable
{
    UnitCosts Bytes { get; }

    /// <summary>The first mask that takes so many bytes.</summary>
    CutMask Reached(long least);
}

/// <summary>A baseline's masks.</summary>
internal sealed class SearchedPath : IMaskPath
{
    private readonly MaskSource _source;
    private readonly CurveBench.Row _row;
    private readonly string _name;
    private readonly GraphMaskScorer _scorer;
    private readonly ChannelImportance? _importance;

    public SearchedPath(MaskSource source, string name)
    {
        (_source, _name, _row) = (source, name, CurveBench.Row.Parse(name));
        if (_row.Ranked && _row.Grains.Contains(PruneGrain.FfnSlice)) _importance = ChannelImportance.Of(source.File, ChannelProbe.Measure(source.Model, source.Shape, source.Calibration, source.Options, CancellationToken.None));
        var units = FileUnits.For(source.File.Model, source.Shape, _row.Grains, _row.Slices, _importance);
        Bytes = FileUnits.Costs(source.File.Model, units);
        _scorer = source.Scorer(units, source.Calibration, _row.Distance);
    }

    public UnitCosts Bytes { get; }

    public CutMask Reached(long least)
    {
        var units = _scorer.Units;
        var byCount = _row.Search == "paper";
        var problem = new SearchProblem(
            Moves.Of(units, _row.Grains, new HashSet<Sublayer>()), Bytes, byCount ? new SearchBudget(units.Count - 1, null) : new SearchBudget(null, least), false)
        {
            Weights = FileUnits.Weights(units, _importance),
        };
        var journal = _source.Journal(_name, _source.Calibration);
        using var enough = new CancellationTokenSource();
        CutMask? reached = null;
        var watcher = new SearchWatcher(_name, step =>
        {
            // A search that replays does not look at its token until it asks for a score that is not known.
            if (enough.IsCancellationRequested) return;
            reached = step.Mask;
            if (byCount && Bytes.Bytes(step.Mask) >= least) enough.Cancel();
        });
        var search = _row.Search == "short-gpt"
            ? FixedOrderSearch.ByInfluence(problem, BlockInfluence.Measure(_source.Model, _source.Shape, _source.Calibration, _source.Options, CancellationToken.None))
            : CurveBench.Row.Make(byCount ? "lazy" : _row.Search, problem);
        try
        {
            search.Run(problem, new JournaledScorer(_scorer, journal, TimeProvider.System), watcher, enough.Token);
        }
        catch (OperationCanceledException) when (enough.IsCancellationRequested)
        {
            // Enough is gone.
        }

        journal.Save();
        return reached is not null && Bytes.Bytes(reached) >= least ? reached : throw new InvalidOperationException($"{_name} does not reach {least} bytes.");
    }

    public void Dispose() => _scorer.Dispose();
}

/// <summary>The surgeon's masks, as a job by default finds them but for what sites in the place of whole sublayers cost, which is added after.</summary>
internal sealed class SurgeonPath : IMaskPath
{
    private readonly MaskSource _source;
    private readonly ImmutableArray<PruneGrain> _grains;
    private readonly CalibrationSet _moments;
    private readonly EliminationPlan _plan;
    private readonly GraphMaskScorer _scorer;

    public SurgeonPath(MaskSource source, ImmutableArray<PruneGrain> grains)
    {
        (_source, _grains) = (source, grains);
        var texts = SurgeonTexts.Of(source.Calibration, source.General.Value);
        _moments = texts.Moments;
        _plan = EliminationPlan.Make(
            source.Model, source.File, source.Shape, grains, EliminationPlan.Slices, texts.Moments, source.Options, (done, all) => Console.Error.Write($"\rplan: {done} of {all}   "), default);
        Bytes = FileUnits.Costs(source.File.Model, _plan.Units);
        _scorer = source.Scorer(_plan.Units, texts.Scored, DistanceKind.KullbackLeibler);
    }

    public UnitCosts Bytes { get; }

    public CutMask Reached(long least) => Reached(new SearchBudget(null, least));

    public CutMask Reached(SearchBudget budget)
    {
        var problem = new SearchProblem(Moves.Of(_plan.Units, _grains, new HashSet<Sublayer>()), Bytes, budget, false);
        var journal = _source.Journal("surgeon", _moments);
        var found = new SurgeonSearch(_plan.Errors).Run(problem, new JournaledScorer(_scorer, journal, TimeProvider.System), new SearchWatcher("surgeon", _ => { }), default)[^1];
        journal.Save();
        Console.WriteLine(FormattableString.Invariant($"<!-- surgeon: {found.BytesRemoved / 1e6:F2} MB, KL predicted {found.Distance:F3}: {found.Mask} -->"));
        return found.Mask;
    }

    public void Dispose() => _scorer.Dispose();
}
