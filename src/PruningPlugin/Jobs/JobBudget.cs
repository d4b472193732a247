using System.Collections.Immutable;
using System.Globalization;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Budgets;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Pruning.Jobs;

/// <summary>A job's budget in the terms of its model: what must go of each measure, and what a mask has of each. One thread.</summary>
internal sealed class JobBudget
{
    /// <summary>Share of what may go that may be asked for: with more nothing of a model would be left.</summary>
    private const double MostShare = 0.95;

    /// <summary>
    /// A search for the leanest that passes ends at masks this many times farther than the gate allows: healing leaves more than a quarter of the
    /// distance (docs/results.md).
    /// </summary>
    private const double BeyondTheGate = 4;

    private readonly JobContext _context;
    private readonly SublayerTimes _times;
    private readonly UnitCosts _kv;
    private readonly UnitCosts _decode;

    private JobBudget(JobContext context, FullModel full, UnitMap units, SublayerTimes times)
    {
        _context = context;
        _times = times;
        _kv = KvCosts.Of(units, LeanForm.Of(full.File.Model).Architecture is "openelm" or "step35");
        _decode = times.Costs(units);
        Search = Make(full.Shape);
    }

    public SearchBudget Search { get; }

    /// <summary>Tokens in the memory where decode steps were measured.</summary>
    public int DecodeContext => _times.Context;

    private PruneBudget Asked => _context.Request.Budget;

    /// <summary>Measures decode steps, or takes up what an earlier process of the job measured.</summary>
    /// <exception cref="JobFailure">More is asked for than may go.</exception>
    public static JobBudget Open(JobContext context, FullModel full, UnitMap units, CancellationToken cancellationToken)
    {
        var length = DecodeProbe.ContextOf(context.Request.Budget.DecodeContext, full.Model);
        var path = Path.Combine(context.Request.WorkFolder, "decode-times.json");
        var fingerprint = string.Create(CultureInfo.InvariantCulture, $"{full.Sha256} {length} {context.Threads}");
        var times = SublayerTimes.Read(path, fingerprint);
        if (times is null)
        {
            times = new SublayerTimes(fingerprint, length, DecodeProbe.Measure(full.Model, full.Shape, length, context.Threads, context.Time, cancellationToken));
            times.Write(path);
        }

        return new JobBudget(context, full, units, times);
    }

    /// <summary>What can be said of a budget before the model is loaded.</summary>
    /// <exception cref="JobFailure">More is asked for than may go.</exception>
    public static void Check(PruneBudget budget, ModelShape shape, IReadOnlySet<Sublayer> keep)
    {
        Sublayer[] open = [.. shape.Sublayers().Where(sublayer => !keep.Contains(sublayer))];
        if (open.Length == 0) throw Unreachable("keep, only: nothing is left that may go.");
        if (budget.Sublayers is { } sublayers && (sublayers > open.Length || (sublayers == open.Length && keep.Count == 0)))
        {
            throw Unreachable($"budget.sublayers: {sublayers} of {open.Length} removable sublayers would leave no model; ask for fewer.");
        }

        Expect("bytes", budget.Bytes ?? budget.Fraction * shape.Sublayers().Sum(shape.BytesOf), open.Sum(shape.BytesOf), MostShare);
        Expect("kv_bytes", budget.KvBytes ?? budget.KvFraction * KvCosts.Total(shape), open.Where(sublayer => sublayer.Kind == SublayerKind.Attention).Sum(sublayer => KvCosts.BytesOf(shape, shape.Blocks[sublayer.Block].KvGroupCount)), 1);
    }

    public (long KvBytes, double DecodeMs) Of(CutMask mask) => (_kv.Bytes(mask), _decode.Bytes(mask) / SublayerTimes.NanosecondsAMillisecond);

    /// <summary>What was asked for and what the mask has of it.</summary>
    public ImmutableArray<BudgetFigure> Figures(CutMask mask, UnitCosts costs)
    {
        var figures = ImmutableArray.CreateBuilder<BudgetFigure>();
        if (Search.Sublayers is { } sublayers) figures.Add(new BudgetFigure("sublayers", sublayers, mask.GoneSublayers().Count()));
        if (Search.Bytes is { } bytes) figures.Add(new BudgetFigure("bytes", bytes, costs.Bytes(mask)));
        foreach (var target in Search.Others)
        {
            var scale = ReferenceEquals(target.Costs, _decode) ? SublayerTimes.NanosecondsAMillisecond : 1;
            figures.Add(new BudgetFigure(target.Name, target.Amount / scale, target.Costs.Bytes(mask) / scale));
        }

        return figures.ToImmutable();
    }

    private static void Expect(string name, double? asked, double open, double most)
    {
        if (asked > open * most) throw Unreachable(string.Create(CultureInfo.InvariantCulture, $"budget.{name}: {asked:0.###} of {open:0.###} that may go would leave no model; ask for less."));
    }

    private static JobFailure Unreachable(string message) => new(JobErrorCodes.BudgetUnreachable, message);

    private SearchBudget Make(ModelShape shape)
    {
        var others = ImmutableArray.CreateBuilder<CostTarget>();
        if ((Asked.KvBytes ?? Share(Asked.KvFraction, KvCosts.Total(shape))) is { } kv) others.Add(new CostTarget("kv_bytes", _kv, kv));
        if ((Share(Asked.DecodeMs, SublayerTimes.NanosecondsAMillisecond) ?? Share(Asked.DecodeFraction, _times.Total)) is { } decode)
        {
            var keep = SearchPhase.KeptOf(_context.Request, shape);
            Expect("decode_ms", decode / SublayerTimes.NanosecondsAMillisecond, shape.Sublayers().Where(sublayer => !keep.Contains(sublayer)).Sum(sublayer => _times.Nanoseconds[sublayer.Order]) / SublayerTimes.NanosecondsAMillisecond, MostShare);
            others.Add(new CostTarget("decode_ms", _decode, decode));
        }

        // An amount of bytes alone, as it was before there were other measures; a ceiling where only the leanest is asked for.
        var counts = Asked is { Sublayers: null, Bytes: null, Fraction: null };
        var budget = counts ? new SearchBudget(null, null) : SearchBudget.Of(Asked, shape);
        if (counts && others.Count == 0) budget = SearchBudget.Of(new PruneBudget(Fraction: PruneBudget.LeanestCeiling), shape);
        return budget with { Others = others.ToImmutable(), EnoughDistance = Asked.Leanest ? Enough() : double.PositiveInfinity };
    }

    /// <summary>The distance beyond which no mask passes. Where the measure is no divergence nothing is known.</summary>
    private double Enough() => BeyondTheGate * _context.Request.Gate.MaxMeanKl * _context.Request.Measure switch
    {
        DistanceKind.KullbackLeibler => 1,

        // For small divergences a quarter of the KL; it never exceeds ln 2, so that of loose gates it says nothing.
        DistanceKind.JensenShannon or DistanceKind.JensenShannonReversed => 0.25,
        _ => double.PositiveInfinity,
    };

    private static long? Share(double? share, double of) => share is { } part ? Math.Max(1, (long)Math.Ceiling(part * of)) : null;
}
