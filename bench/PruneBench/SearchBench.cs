using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Proofs;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.Pruning.Texts;
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

    /// <param name="count">Sublayers to remove.</param>
    /// <param name="rows">
    /// paper, lazy, racing, surgeon: so many sublayers, not healed. mask:attn:3,ffn:6,...: these. healed:ROW: the same and then healed on the same tokens, seconds of both.
    /// healed:surgeon:BYTES: parts of sublayers of so many bytes together.
    /// </param>
    public void Run(ImmutableArray<TokenSequence> traffic, int tokens, int count, IReadOnlyList<string> rows)
    {
        using var file = GgufShards.Open(path);
        var shape = ModelShapeReader.Read(file.Model);
        var units = FileUnits.Sublayers(file.Model, shape);
        var (calibration, heldOut) = ChatTraffic.Split(traffic, tokens, 1280, 256);
        Console.WriteLine($"{calibration.TokenCount} calibration tokens in {calibration.Sequences.Length} conversations, {heldOut.TokenCount} held out; {count} of {units.Count} sublayers; {threads} threads");
        var candidates = Moves.Sublayers(units, new HashSet<Sublayer>());
        var needed = Enumerable.Range(0, count).Sum(step => candidates.Length - step);
        var naive = Naive(file, units, calibration);
        Console.WriteLine($"naive: {naive:F2} s a candidate (write, load, full pass; mean of {NaiveSamples}), {needed} candidates: {naive * needed:F0} s");
        Console.WriteLine("| search | evaluations | seconds | naive/this | removed MB | healing adds MB | held-out KL | top-1 |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        var problem = new SearchProblem(candidates, FileUnits.Costs(file.Model, units), new SearchBudget(count, null), false);
        foreach (var name in rows)
        {
            var clock = Stopwatch.StartNew();
            var row = name.Split(':', 2) is ["healed", var rest] ? rest : name;
            var (mask, evaluations, removed) = row.Split(':', 2) switch
            {
                ["mask", var sublayers] => Known(sublayers, problem),
                ["surgeon", var bytes] => Surgeon(file, calibration, Moves.AllGrains, new SearchBudget(null, long.Parse(bytes, CultureInfo.InvariantCulture))),
                ["surgeon"] => Surgeon(file, calibration, [PruneGrain.Sublayer], problem.Budget),
                _ => Counted(row, calibration, problem),
            };
            var healed = row == name ? HealedModel.None : Heal(file, mask, calibration);
            var seconds = clock.Elapsed.TotalSeconds;
            var proof = Prove(file, mask, healed, heldOut);
            var kl = Bootstrap.Mean([.. proof.Conversations.Select(conversation => (conversation.KlSum, conversation.Positions))], 0.95, 1);
            var top1 = proof.Conversations.Sum(conversation => conversation.Agreements) / (double)proof.Conversations.Sum(conversation => conversation.Positions);
            Console.WriteLine(FormattableString.Invariant(
                $"| {name} | {evaluations} | {seconds:F0} | {naive * needed / seconds:F1} | {removed / 1e6:F2} | {healed.Bytes / 1e6:F2} | {kl.Mean:F3} [{kl.Low:F3}, {kl.High:F3}] | {top1:P1} |"));
            Console.WriteLine($"<!-- {mask} -->");
        }
    }

    private static (CutMask Mask, int Evaluations, long Bytes) Known(string sublayers, SearchProblem problem)
    {
        var mask = sublayers.Split(',').Aggregate(CutMask.None(problem.Costs.Units), (mask, name) => Sublayer.TryParse(name, out var sublayer) ? mask.With(sublayer) : throw new ArgumentException($"No sublayer {name}."));
        return (mask, 0, problem.Costs.Bytes(mask));
    }

    private (CutMask Mask, int Evaluations, long Bytes) Counted(string name, CalibrationSet calibration, SearchProblem problem)
    {
        using var scorer = GraphMaskScorer.Create(model, problem.Costs.Units, calibration, DistanceKind.JensenShannon, _options, (_, _) => { }, CancellationToken.None);
        var steps = CurveBench.Row.Make(name, problem).Run(problem, scorer, new SearchWatcher(name, Told), CancellationToken.None);
        return (steps[^1].Mask, steps.Sum(step => step.Evaluations), steps[^1].BytesRemoved);

        void Told(SearchStep step) => Console.Error.WriteLine($"\r{name}: {step.Number} {step.Removed.Name} {step.Distance:F5}, {step.Evaluations} evaluations          ");
    }

    private (CutMask Mask, int Evaluations, long Bytes) Surgeon(GgufShards file, CalibrationSet calibration, ImmutableArray<PruneGrain> grains, SearchBudget budget)
    {
        var folder = Directory.CreateTempSubdirectory("prunebench-").FullName;
        try
        {
            using var masks = new SurgeonPath(new MaskSource(model, file, calibration, new(() => new CalibrationSet("general", GeneratedText.Make(model, calibration.TokenCount, 128, 1, threads, _ => { }, default))), _options, folder), grains);
            var mask = masks.Reached(budget);
            return (mask, mask.Units.Parts.Length, masks.Bytes.Bytes(mask));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>As a job by default does it, but for the tokens that it is fitted on.</summary>
    private HealedModel Heal(GgufShards file, CutMask mask, CalibrationSet calibration) =>
        new Healer(model, file, mask, HealingOptions.Auto(mask.Units.Shape.EmbeddingLength, threads)).Heal(calibration, null, (done, of) => Console.Error.Write($"\rhealing: {done} of {of}   "), default);

    private double Naive(GgufShards file, UnitMap units, CalibrationSet calibration)
    {
        var batches = TokenBatches.Pack(calibration, _options.BatchTokens(model.Info));
        var clock = Stopwatch.StartNew();
        foreach (var sublayer in units.Shape.Sublayers().Take(NaiveSamples))
        {
            using var lean = Write(file, CutMask.None(units).With(sublayer), HealedModel.None);
            using var decoder = new TokenDecoder(lean.Model, batches.Capacity, threads, null);
            foreach (var batch in batches.Batches) decoder.Decode(batch, CancellationToken.None);
        }

        return clock.Elapsed.TotalSeconds / NaiveSamples;
    }

    private ProofFigures Prove(GgufShards file, CutMask mask, HealedModel healed, CalibrationSet heldOut)
    {
        using var lean = Write(file, mask, healed);
        var proof = FileProof.Run(model, lean.Model, new HealedMask(mask, healed, file), heldOut, _options, (_, _) => { }, CancellationToken.None);
        if (healed.IsEmpty && proof.MaxDifference != 0) Console.WriteLine($"mask and file differ by {proof.MaxDifference}");
        return proof;
    }

    private static LeanFile Write(GgufShards file, CutMask mask, HealedModel healed)
    {
        var path = Path.Combine(Path.GetTempPath(), $"prunebench-{Environment.ProcessId}.gguf");
        GgufWriter.Write(Rewriters.For(mask.Units.Shape.Architecture).Plan(file, mask, new Provenance(new string('0', 64), [], [], "bench"), healed), path);
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
}
