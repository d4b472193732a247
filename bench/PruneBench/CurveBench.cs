using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;

namespace FinerCut.PruneBench;

/// <summary>
/// One search a row, all on the same tokens: held-out figures of the first masks that reach each share of the blocks' bytes, with the
/// evaluations and seconds that they took.
/// </summary>
internal sealed class CurveBench(ILlamaModel model, string path, int threads)
{
    private readonly ScoringOptions _options = new(threads);

    /// <param name="seconds">Of search for each row; what was reached by then is judged.</param>
    public void Run(ImmutableArray<TokenSequence> traffic, int tokens, int heldOutTokens, double most, int seconds, string[] rows)
    {
        using var file = GgufFile.Open(path);
        var shape = ModelShapeReader.Read(file.Model);
        var (calibration, heldOut) = ChatTraffic.Split(traffic, tokens, heldOutTokens, 256);
        using var judge = new HeldOutJudge(model, shape, heldOut, _options);
        var importance = ChannelImportance.Of(file, ChannelProbe.Measure(model, shape, calibration, _options, CancellationToken.None));
        double all = shape.Sublayers().Sum(shape.BytesOf);
        double[] levels = [.. new[] { 0.05, 0.1, 0.2, 0.3 }.Where(level => level <= most + 1e-9)];
        Console.WriteLine($"{calibration.TokenCount} calibration tokens in {calibration.Sequences.Length} conversations, {judge.Tokens} held out in {heldOut.Sequences.Length}; {threads} threads; {all / 1e6:F1} MB of blocks");
        Console.WriteLine("| search | grains | slices | distance | removed | calibration distance | held-out KL | top-1 | evaluations | seconds |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        foreach (var row in rows.Select(Row.Parse))
        {
            var units = FileUnits.For(file.Model, shape, row.Grains, row.Slices, row.Ranked ? importance : null);
            var problem = new SearchProblem(Moves.Of(units, row.Grains, new HashSet<Sublayer>()), FileUnits.Costs(file.Model, units), new SearchBudget(null, (long)Math.Ceiling(most * all)), false)
            {
                Weights = FileUnits.Weights(units, row.Ranked ? importance : null),
            };
            using var limit = new CancellationTokenSource();
            using var scorer = GraphMaskScorer.Create(model, units, calibration, row.Distance, _options, (_, _) => { }, CancellationToken.None);
            var log = new Log(row.Name, [.. levels.Select(level => (long)(level * all))], judge, TimeSpan.FromSeconds(seconds), limit);
            try
            {
                var search = row.Search == "short-gpt"
                    ? FixedOrderSearch.ByInfluence(problem, BlockInfluence.Measure(model, shape, calibration, _options, CancellationToken.None))
                    : Row.Make(row.Search, problem);
                log.Clock.Start();
                search.Run(problem, scorer, log, limit.Token);
                log.Last();
            }
            catch (OperationCanceledException)
            {
                Console.WriteLine($"<!-- {row.Name}: stopped after {seconds} s -->");
            }

            Console.WriteLine($"<!-- {string.Join(' ', log.Steps.Select(step => string.Create(CultureInfo.InvariantCulture, $"{step.Removed.Name}={step.Distance:F4}")))} -->");
        }
    }

    /// <summary>SEARCH[,GRAINS[,SLICES[,DISTANCE[,file]]]]: racing,bskf,6,jensen_shannon</summary>
    internal sealed record Row(string Name, string Search, ImmutableArray<PruneGrain> Grains, int Slices, DistanceKind Distance, bool Ranked)
    {
        public static Row Parse(string text)
        {
            var parts = text.Split(',');
            string At(int index, string otherwise) => parts.Length > index && parts[index].Length > 0 ? parts[index] : otherwise;
            var letters = At(1, "bskf");
            var grains = Moves.AllGrains.Where((_, index) => letters.Contains("bskf"[index])).ToImmutableArray();
            var slices = int.Parse(At(2, $"{PruneRequest.DefaultSlicesPerFfn}"), CultureInfo.InvariantCulture);
            var distance = Enum.Parse<DistanceKind>(At(3, "JensenShannon"), ignoreCase: true);
            var ranked = At(4, "importance") != "file";
            return new Row($"{parts[0]} | {letters} | {slices}{(ranked ? "" : " as in the file")} | {distance}", parts[0], grains, slices, distance, ranked);
        }

        public static ISearch Make(string name, SearchProblem problem) => name switch
        {
            "paper" => new PaperSearch(),
            "lazy" => new LazyGreedySearch(0.25),
            "racing" => new RacingGreedySearch(),
            "racing-one" => new RacingGreedySearch(new RaceOptions(RoundShare: 0)),
            "beam" => new BeamSearch(),
            "local" => new LocalSearch(),
            "evolutionary" => new EvolutionarySearch(1),
            "one-shot" => new OneShotSearch(),
            "last" => FixedOrderSearch.LastFirst(problem),
            "random" => FixedOrderSearch.Shuffled(problem, 1),
            _ => throw new ArgumentException($"No search {name}."),
        };
    }

    /// <summary>Judges the first mask of each level as it is reached, with the clock stopped.</summary>
    private sealed class Log(string name, long[] levels, HeldOutJudge judge, TimeSpan most, CancellationTokenSource limit) : ISearchObserver
    {
        private int _level;
        private SearchPace _pace = new(0, 0, 0, 0);

        public Stopwatch Clock { get; } = new();

        public List<SearchStep> Steps { get; } = [];

        public void Evaluated(SearchPace pace)
        {
            _pace = pace;
            if (Clock.Elapsed > most) limit.Cancel();
        }

        public void Stepped(SearchStep step, SearchPace pace)
        {
            _pace = pace;
            Steps.Add(step);
            Console.Error.WriteLine($"{name}: {step.Number} {step.Removed.Name} {step.Distance:F5} {step.BytesRemoved / 1e6:F2} MB, {Clock.Elapsed.TotalSeconds:F0} s, {pace.Evaluations} of {pace.ExpectedEvaluations} evaluations");

            // Where the last level is reached the search may still improve on it: Last judges that one.
            while (_level < levels.Length - 1 && step.BytesRemoved >= levels[_level]) Judge(levels[_level++], step);
        }

        public void Last()
        {
            if (_level < levels.Length && Steps.Count > 0 && Steps[^1].BytesRemoved >= levels[_level]) Judge(levels[_level++], Steps[^1]);
        }

        private void Judge(long level, SearchStep step)
        {
            Clock.Stop();
            var (kl, top1) = judge.Of(step.Mask);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {name} | {level / 1e6:F1}: {step.BytesRemoved / 1e6:F2} MB | {step.Distance:F4} | {kl.Mean:F3} [{kl.Low:F3}, {kl.High:F3}] | {top1:P1} | {_pace.Evaluations} | {Clock.Elapsed.TotalSeconds:F0} |"));
            Clock.Start();
        }
    }
}
