using System.Collections.Immutable;
using System.Diagnostics;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Proofs;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;

namespace FinerCut.PruneBench;

/// <summary>
/// Searches against naive pruning, which writes a file, loads it and runs all tokens for each candidate. Twenty of those are measured; naive's
/// time is their mean times the number that greedy needs.
/// </summary>
internal sealed class SearchBench(ILlamaModel model, string path, int threads)
{
    private const int NaiveSamples = 20;

    private readonly ScoringOptions _options = new(threads);

    public void Run(ImmutableArray<TokenSequence> traffic, int tokens, int count)
    {
        using var file = GgufFile.Open(path);
        var shape = ModelShapeReader.Read(file.Model);
        var units = FileUnits.Sublayers(file.Model, shape);
        var costs = FileUnits.Costs(file.Model, units);
        var (calibration, heldOut) = ChatTraffic.Split(traffic, tokens, 1280, 256);
        Console.WriteLine($"{calibration.TokenCount} calibration tokens in {calibration.Sequences.Length} conversations, {heldOut.TokenCount} held out; {count} of {units.Count} sublayers; {threads} threads");
        var candidates = Moves.Sublayers(units, new HashSet<Sublayer>());
        var needed = Enumerable.Range(0, count).Sum(step => candidates.Length - step);
        var naive = Naive(file, units, calibration);
        Console.WriteLine($"naive: {naive:F2} s a candidate (write, load, full pass; mean of {NaiveSamples}), {needed} candidates: {naive * needed:F0} s");
        Console.WriteLine("| search | budget | evaluations | seconds | naive/this | removed MB | calibration distance | held-out KL | top-1 |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
        var bytes = Row("paper", new PaperSearch(), new SearchBudget(count, null), $"{count} sublayers");
        Row("lazy greedy", new LazyGreedySearch(), new SearchBudget(null, bytes), "the same bytes");
        Row("lazy greedy, first look at 1/4", new LazyGreedySearch(0.25), new SearchBudget(null, bytes), "the same bytes");

        long Row(string name, ISearch search, SearchBudget budget, string asked)
        {
            var clock = Stopwatch.StartNew();
            IReadOnlyList<SearchStep> steps;
            using (var scorer = GraphMaskScorer.Create(model, units, calibration, DistanceKind.JensenShannon, _options, (_, _) => { }, CancellationToken.None))
            {
                steps = search.Run(new SearchProblem(candidates, costs, budget, false), scorer, new Silent(name), CancellationToken.None);
            }

            var seconds = clock.Elapsed.TotalSeconds;
            var proof = Prove(file, steps[^1].Mask, heldOut);
            var kl = Bootstrap.Mean([.. proof.Conversations.Select(conversation => (conversation.KlSum, conversation.Positions))], 0.95, 1);
            var top1 = proof.Conversations.Sum(conversation => conversation.Agreements) / (double)proof.Conversations.Sum(conversation => conversation.Positions);
            Console.WriteLine(
                $"| {name} | {asked} | {steps.Sum(step => step.Evaluations)} | {seconds:F0} | {naive * needed / seconds:F1} | {steps[^1].BytesRemoved / 1e6:F2} | {steps[^1].Distance:F4} | {kl.Mean:F3} [{kl.Low:F3}, {kl.High:F3}] | {top1:P1} |");
            Console.WriteLine($"<!-- {string.Join(' ', steps.Select(step => $"{step.Removed.Name}={step.Distance:F4}"))} -->");
            return steps[^1].BytesRemoved;
        }
    }

    private double Naive(GgufFile file, UnitMap units, CalibrationSet calibration)
    {
        var batches = TokenBatches.Pack(calibration, _options.BatchTokens(model.Info.VocabularySize));
        var clock = Stopwatch.StartNew();
        foreach (var sublayer in units.Shape.Sublayers().Take(NaiveSamples))
        {
            using var lean = Write(file, CutMask.None(units).With(sublayer));
            using var decoder = new TokenDecoder(lean.Model, batches.Capacity, threads, null);
            foreach (var batch in batches.Batches) decoder.Decode(batch, CancellationToken.None);
        }

        return clock.Elapsed.TotalSeconds / NaiveSamples;
    }

    private ProofFigures Prove(GgufFile file, CutMask mask, CalibrationSet heldOut)
    {
        using var lean = Write(file, mask);
        var proof = FileProof.Run(model, lean.Model, mask, heldOut, _options, (_, _) => { }, CancellationToken.None);
        if (proof.MaxDifference != 0) Console.WriteLine($"mask and file differ by {proof.MaxDifference}");
        return proof;
    }

    private static LeanFile Write(GgufFile file, CutMask mask)
    {
        var path = Path.Combine(Path.GetTempPath(), $"prunebench-{Environment.ProcessId}.gguf");
        GgufWriter.Write(Rewriters.For(mask.Units.Shape.Architecture).Plan(file, mask, new Provenance(new string('0', 64), [], [], "bench")), path);
        return new LeanFile(path, NativeRuntime.Open().Load(new ModelOptions { Path = path }, null, CancellationToken.None));
    }

    private sealed record LeanFile(string Path, ILlamaModel Model) : IDisposable
    {
        public void Dispose()
        {
            Model.Dispose();
            File.Delete(Path);
        }
    }

    private sealed class Silent(string name) : ISearchObserver
    {
        public void Evaluated(SearchPace pace) => Console.Error.Write($"\r{name}: step {pace.Steps} of {pace.ExpectedSteps}, {pace.Evaluations} of {pace.ExpectedEvaluations} evaluations ");

        public void Stepped(SearchStep step, SearchPace pace) => Console.Error.WriteLine($"\r{name}: {step.Number} {step.Removed.Name} {step.Distance:F5} {step.BytesRemoved / 1e6:F2} MB, {step.Evaluations} evaluations          ");
    }
}
