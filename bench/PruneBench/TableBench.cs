using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;

namespace FinerCut.PruneBench;

/// <summary>
/// Baselines at shares of the blocks' bytes, each mask without healing and healed as the surgeon's are, judged on the surgeon bench's held-out tokens. Hours: every score, fit and
/// figure is kept in a folder, and the same command goes on where it was stopped.
/// </summary>
internal sealed class TableBench(ILlamaModel model, string path, int threads)
{
    private static readonly double[] Shares = [0.05, 0.1, 0.2, 0.3];

    /// <param name="tokens">Of calibration traffic, for searches and healing.</param>
    /// <param name="heals">Whether masks are healed as well.</param>
    /// <param name="rows">As <see cref="CurveBench"/> says; paper is the paper's greedy by count, lazily evaluated.</param>
    public void Run(ImmutableArray<TokenSequence> traffic, string folder, int tokens, bool heals, IReadOnlyList<string> rows)
    {
        Directory.CreateDirectory(folder);
        using var file = GgufShards.Open(path);
        var shape = ModelShapeReader.Read(file.Model);
        var options = new ScoringOptions(threads);
        var (calibration, heldOut) = ChatTraffic.Split(traffic, tokens, 1280, 256);
        var judge = new Lazy<HealedJudge>(() => new HealedJudge(model, file, heldOut, HealTrials.General(model, path, 4), options));
        double all = shape.Sublayers().Sum(shape.BytesOf);
        Console.WriteLine($"{calibration.TokenCount} calibration tokens; {all / 1e6:F1} MB of blocks");
        foreach (var name in rows)
        {
            var row = CurveBench.Row.Parse(name);
            var units = FileUnits.For(file.Model, shape, row.Grains, row.Slices, null);
            var bytes = FileUnits.Costs(file.Model, units);
            foreach (var share in Shares)
            {
                var step = Reached(row, name, folder, units, calibration, (long)(share * all), options);
                var place = Path.Combine(folder, $"{name.Replace(',', '-')} {share.ToString(CultureInfo.InvariantCulture)}");
                Console.WriteLine($"| {name} | {share:P0} | {bytes.Bytes(step) / 1e6:F2} MB | not healed | {Kept(place, () => judge.Value.Of(step, HealedModel.None))} |");
                if (!heals) continue;
                var fits = new HealingJournal(place, $"{step}");
                var clock = Stopwatch.StartNew();
                Console.WriteLine($"| {name} | {share:P0} | {bytes.Bytes(step) / 1e6:F2} MB | healed | {Kept(place + " healed", () =>
                {
                    var healed = new Healer(model, file, step, new HealingOptions(ProjectionHealing.Weights, HealingOptions.LargestRank, true, threads)).Heal(
                        calibration, fits, (done, of) => Console.Error.Write($"\r{name} {share:P0}: {done} of {of}, {clock.Elapsed.TotalSeconds:F0} s   "), default);
                    return $"adds {healed.Bytes / 1e6:F2} MB, {judge.Value.Of(step, healed)}";
                })} |");
            }
        }
    }

    /// <summary>The first mask of a row's search that takes so many bytes.</summary>
    private CutMask Reached(CurveBench.Row row, string name, string folder, UnitMap units, CalibrationSet calibration, long least, ScoringOptions options)
    {
        using var file = GgufShards.Open(path);
        var shape = ModelShapeReader.Read(file.Model);
        var bytes = FileUnits.Costs(file.Model, units);
        var byCount = row.Search == "paper";
        var problem = new SearchProblem(
            Moves.Of(units, row.Grains, new HashSet<Sublayer>()), byCount ? new UnitCosts(units, [.. Enumerable.Repeat(1L, units.Count)], [.. Enumerable.Repeat(0L, units.Parts.Length)]) : bytes,
            byCount ? new SearchBudget(units.Count - 1, null) : new SearchBudget(null, least), false);
        var journal = EvaluationJournal.Open(Path.Combine(folder, $"{name.Replace(',', '-')}.json"), $"{name} {calibration.TokenCount}");
        using var scorer = GraphMaskScorer.Create(model, units, calibration, row.Distance, options, (_, _) => { }, CancellationToken.None);
        using var enough = new CancellationTokenSource();
        var watcher = new Watcher(name, bytes, byCount ? least : long.MaxValue, enough);
        var search = row.Search == "short-gpt"
            ? FixedOrderSearch.ByInfluence(problem, BlockInfluence.Measure(model, shape, calibration, options, CancellationToken.None))
            : CurveBench.Row.Make(byCount ? "lazy" : row.Search, problem);
        try
        {
            search.Run(problem, new JournaledScorer(scorer, journal, TimeProvider.System), watcher, enough.Token);
        }
        catch (OperationCanceledException) when (enough.IsCancellationRequested)
        {
            // Enough is gone.
        }

        journal.Save();
        return watcher.Last is { } mask && bytes.Bytes(mask) >= least ? mask : throw new InvalidOperationException($"{name} does not reach {least} bytes.");
    }

    private static string Kept(string place, Func<string> make)
    {
        var path = place + ".txt";
        if (File.Exists(path)) return File.ReadAllText(path);
        var made = make();
        File.WriteAllText(path, made);
        return made;
    }

    /// <param name="least">Bytes at which the search has gone far enough.</param>
    private sealed class Watcher(string name, UnitCosts bytes, long least, CancellationTokenSource enough) : ISearchObserver
    {
        private readonly Stopwatch _clock = Stopwatch.StartNew();

        public CutMask? Last { get; private set; }

        public void Evaluated(SearchPace pace) => Console.Error.Write($"\r{name}: step {pace.Steps}, {pace.Evaluations} evaluations, {_clock.Elapsed.TotalSeconds:F0} s   ");

        public void Stepped(SearchStep step, SearchPace pace)
        {
            Last = step.Mask;
            if (bytes.Bytes(step.Mask) >= least) enough.Cancel();
        }
    }
}
