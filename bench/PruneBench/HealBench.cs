using System.Collections.Immutable;
using System.Diagnostics;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;

namespace FinerCut.PruneBench;

/// <summary>Masks of greedy searches, found once and kept, and healing tried on them.</summary>
internal sealed class HealBench(ILlamaModel model, string path, int threads)
{
    private static readonly double[] Shares = [0.05, 0.10, 0.20, 0.30];

    /// <summary>Runs or goes on with a lazy greedy over moves of four grains; writes the mask at each share of the blocks' bytes.</summary>
    /// <param name="folder">Holds the search's scores and the masks.</param>
    /// <param name="seconds">Stops then; the next call goes on.</param>
    public void Masks(ImmutableArray<TokenSequence> traffic, string folder, string kind, int tokens, int seconds)
    {
        Directory.CreateDirectory(folder);
        using var file = GgufFile.Open(path);
        var shape = ModelShapeReader.Read(file.Model);
        var units = kind == "paper" ? FileUnits.Sublayers(file.Model, shape) : FileUnits.Fine(file.Model, shape, 4);
        var (calibration, _) = ChatTraffic.Split(traffic, tokens, 1280, 256);
        var costs = FileUnits.Costs(file.Model, units);
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        var journal = EvaluationJournal.Open(Path.Combine(folder, $"{kind}.checkpoint.json"), $"{kind} {tokens}");
        using var scorer = GraphMaskScorer.Create(model, units, calibration, DistanceKind.JensenShannon, new ScoringOptions(threads), (_, _) => { }, CancellationToken.None);
        var total = shape.Sublayers().Sum(shape.BytesOf);
        var problem = new SearchProblem(Moves.Of(units, kind == "paper" ? [PruneGrain.Sublayer] : Moves.AllGrains, new HashSet<Sublayer>()), costs, new SearchBudget(null, (long)(Shares[^1] * total)), false);
        ISearch search = kind == "paper" ? new PaperSearch() : new LazyGreedySearch(0.5);
        try
        {
            search.Run(problem, new JournaledScorer(scorer, journal, TimeProvider.System), new Watcher(Path.Combine(folder, $"{kind}.masks")), stop.Token);
            Console.WriteLine("done");
        }
        catch (OperationCanceledException)
        {
            journal.Save();
            Console.WriteLine($"{journal.Count} evaluations so far");
        }
    }

    private sealed class Watcher(string path) : ISearchObserver
    {
        private readonly List<string> _lines = [];

        public void Evaluated(SearchPace pace) => Console.Error.Write($"\r{pace.Steps} of {pace.ExpectedSteps}, {pace.Evaluations} of {pace.ExpectedEvaluations} ");

        public void Stepped(SearchStep step, SearchPace pace)
        {
            _lines.Add(FormattableString.Invariant($"{step.BytesRemoved}\t{step.Distance:F5}\t{step.Mask}"));
            File.WriteAllLines(path, _lines);
        }
    }
}
