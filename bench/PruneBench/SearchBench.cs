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
    /// <param name="rows">paper, lazy, racing: so many sublayers, without healing. surgeon[:BYTES]: those, or the bytes of the row before, healed on the same tokens, its whole time.</param>
    public void Run(ImmutableArray<TokenSequence> traffic, int tokens, int count, IReadOnlyList<string> rows)
    {
        using var file = GgufShards.Open(path);
        var shape = ModelShapeReader.Read(file.Model);
        var units = FileUnits.Sublayers(file.Model, shape);
        var bytes = FileUnits.Costs(file.Model, units);
        var (calibration, heldOut) = ChatTraffic.Split(traffic, tokens, 1280, 256);
        Console.WriteLine($"{calibration.TokenCount} calibration tokens in {calibration.Sequences.Length} conversations, {heldOut.TokenCount} held out; {count} of {units.Count} sublayers; {threads} threads");
        var candidates = Moves.Sublayers(units, new HashSet<Sublayer>());
        var needed = Enumerable.Range(0, count).Sum(step => candidates.Length - step);
        var naive = Naive(file, units, calibration);
        Console.WriteLine($"naive: {naive:F2} s a candidate (write, load, full pass; mean of {NaiveSamples}), {needed} candidates: {naive * needed:F0} s");
        Console.WriteLine("| search | evaluations | seconds | naive/this | removed MB | healing adds MB | held-out KL | top-1 |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        var problem = new SearchProblem(candidates, SearchedPath.EachCountsOne(units), new SearchBudget(count, null), false);
        var removed = 0L;
        foreach (var name in rows)
        {
            var clock = Stopwatch.StartNew();
            var found = name.Split(':') is ["surgeon", .. var given] ? Surgeon(file, calibration, given is [var asked] ? long.Parse(asked, CultureInfo.InvariantCulture) : removed) : Counted(name, calibration, problem, bytes);
            var seconds = clock.Elapsed.TotalSeconds;
            removed = found.Bytes;
            var proof = Prove(file, found, heldOut);
            var kl = Bootstrap.Mean([.. proof.Conversations.Select(conversation => (conversation.KlSum, conversation.Positions))], 0.95, 1);
            var top1 = proof.Conversations.Sum(conversation => conversation.Agreements) / (double)proof.Conversations.Sum(conversation => conversation.Positions);
            Console.WriteLine(FormattableString.Invariant(
                $"| {name} | {found.Evaluations} | {seconds:F0} | {naive * needed / seconds:F1} | {removed / 1e6:F2} | {found.Healed.Bytes / 1e6:F2} | {kl.Mean:F3} [{kl.Low:F3}, {kl.High:F3}] | {top1:P1} |"));
            Console.WriteLine($"<!-- {found.Mask} -->");
        }
    }

    private Found Counted(string name, CalibrationSet calibration, SearchProblem problem, UnitCosts bytes)
    {
        using var scorer = GraphMaskScorer.Create(model, problem.Costs.Units, calibration, DistanceKind.JensenShannon, _options, (_, _) => { }, CancellationToken.None);
        var steps = CurveBench.Row.Make(name, problem).Run(problem, scorer, new SearchWatcher(name, Told), CancellationToken.None);
        return new Found(steps[^1].Mask, HealedModel.None, steps.Sum(step => step.Evaluations), bytes.Bytes(steps[^1].Mask));

        void Told(SearchStep step) => Console.Error.WriteLine($"\r{name}: {step.Number} {step.Removed.Name} {step.Distance:F5}, {step.Evaluations} evaluations          ");
    }

    /// <summary>As a job by default does it, but for the tokens that healing is fitted on.</summary>
    private Found Surgeon(GgufShards file, CalibrationSet calibration, long bytes)
    {
        var folder = Directory.CreateTempSubdirectory("prunebench-").FullName;
        try
        {
            using var masks = new SurgeonPath(new MaskSource(model, file, calibration, new(() => new CalibrationSet("general", GeneratedText.Make(model, calibration.TokenCount, 128, 1, threads, _ => { }, default))), _options, folder));
            var mask = masks.Reached(bytes);
            var healed = new Healer(model, file, mask, HealingOptions.Auto(mask.Units.Shape.EmbeddingLength, threads)).Heal(
                calibration, null, (done, of) => Console.Error.Write($"\rhealing: {done} of {of}   "), default);
            return new Found(mask, healed, mask.Units.Parts.Length, masks.Bytes.Bytes(mask));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private double Naive(GgufShards file, UnitMap units, CalibrationSet calibration)
    {
        var batches = TokenBatches.Pack(calibration, _options.BatchTokens(model.Info.VocabularySize));
        var clock = Stopwatch.StartNew();
        foreach (var sublayer in units.Shape.Sublayers().Take(NaiveSamples))
        {
            using var lean = Write(file, CutMask.None(units).With(sublayer), HealedModel.None);
            using var decoder = new TokenDecoder(lean.Model, batches.Capacity, threads, null);
            foreach (var batch in batches.Batches) decoder.Decode(batch, CancellationToken.None);
        }

        return clock.Elapsed.TotalSeconds / NaiveSamples;
    }

    private ProofFigures Prove(GgufShards file, Found found, CalibrationSet heldOut)
    {
        using var lean = Write(file, found.Mask, found.Healed);
        var proof = FileProof.Run(model, lean.Model, new HealedMask(found.Mask, found.Healed, file), heldOut, _options, (_, _) => { }, CancellationToken.None);
        if (found.Healed.IsEmpty && proof.MaxDifference != 0) Console.WriteLine($"mask and file differ by {proof.MaxDifference}");
        return proof;
    }

    private static LeanFile Write(GgufShards file, CutMask mask, HealedModel healed)
    {
        var path = Path.Combine(Path.GetTempPath(), $"prunebench-{Environment.ProcessId}.gguf");
        GgufWriter.Write(Rewriters.For(mask.Units.Shape.Architecture).Plan(file, mask, new Provenance(new string('0', 64), [], [], "bench"), healed), path);
        return new LeanFile(path, NativeRuntime.Open().Load(new ModelOptions { Path = path }, null, CancellationToken.None));
    }

    private sealed record Found(CutMask Mask, HealedModel Healed, int Evaluations, long Bytes);

    private sealed record LeanFile(string Path, ILlamaModel Model) : IDisposable
    {
        public void Dispose()
        {
            Model.Dispose();
            File.Delete(Path);
        }
    }
}
