using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Elimination;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.Pruning.Texts;
using FinerCut.Runtime;

namespace FinerCut.PruneBench;

/// <summary>The surgeon's masks at several shares of the blocks' bytes, each healed and judged. Scores and fits are kept in a folder: run again to go on.</summary>
internal sealed class SurgeonBench(ILlamaModel model, string path, int threads)
{
    /// <param name="folder">Scores, fits and texts.</param>
    /// <param name="tokens">Of calibration traffic: moments and sensitivities.</param>
    /// <param name="fitTokens">Of traffic that healing is fitted on; regrown beyond what there is.</param>
    /// <param name="generalTokens">Of text that the model writes itself, for healing.</param>
    /// <param name="shares">Of the blocks' bytes, healing's counted.</param>
    public void Run(ImmutableArray<TokenSequence> traffic, string folder, int tokens, int fitTokens, int generalTokens, IReadOnlyList<double> shares)
    {
        Directory.CreateDirectory(folder);
        using var file = GgufShards.Open(path);
        var shape = ModelShapeReader.Read(file.Model);
        var options = new ScoringOptions(threads);
        var (calibration, heldOut) = ChatTraffic.Split(traffic, tokens, 1280, 256);
        var judge = new HealedJudge(model, file, heldOut, HealTrials.General(model, path, 4), options);
        var clock = Stopwatch.StartNew();
        var plan = EliminationPlan.Make(model, file, shape, Moves.AllGrains, EliminationPlan.Slices, calibration, options, (done, all) => Note(clock, "plan", done, all), default);
        Console.WriteLine($"plan on {calibration.TokenCount} tokens: {clock.Elapsed.TotalSeconds:F0} s");
        var fit = new CalibrationSet("fit", [.. ChatTraffic.Split(traffic, fitTokens, 1280, 256).Calibration.Sequences, .. Generated(folder, calibration, fitTokens - calibration.TokenCount, generalTokens)]);
        var journal = EvaluationJournal.Open(Path.Combine(folder, "scores.json"), $"surgeon {calibration.TokenCount}");
        using var scorer = GraphMaskScorer.Create(model, plan.Units, calibration, DistanceKind.KullbackLeibler, options, (_, _) => { }, default);
        var costs = FileUnits.Costs(file.Model, plan.Units);
        double all = shape.Sublayers().Sum(shape.BytesOf);
        foreach (var share in shares)
        {
            clock.Restart();
            var problem = new SearchProblem(Moves.Of(plan.Units, Moves.AllGrains, new HashSet<Sublayer>()), costs, new SearchBudget(null, (long)(share * all)), false);
            var found = new SurgeonSearch(plan.Errors).Run(problem, new JournaledScorer(scorer, journal, TimeProvider.System), new Watcher(clock), default)[^1];
            journal.Save();
            Console.WriteLine(FormattableString.Invariant($"{share:P0}: {found.BytesRemoved / 1e6:F2} MB gone, KL predicted {found.Distance:F3}, {clock.Elapsed.TotalSeconds:F0} s: {found.Mask}"));
            clock.Restart();
            var name = share.ToString(CultureInfo.InvariantCulture);
            var fits = new HealingJournal(Path.Combine(folder, name), $"{name} {calibration.TokenCount} {fit.TokenCount}");
            var healed = new Healer(model, file, found.Mask, new HealingOptions(ProjectionHealing.Weights, 0, true, threads)).Heal(fit, fits, (done, of) => Note(clock, name, done, of), default);
            Console.WriteLine($"    fitted on {fit.TokenCount} tokens, adds {healed.Bytes / 1e6:F2} MB, {clock.Elapsed.TotalSeconds:F0} s: {judge.Of(found.Mask, healed)}");
        }
    }

    private IEnumerable<TokenSequence> Generated(string folder, CalibrationSet calibration, int regrown, int general)
    {
        if (regrown > 0) foreach (var text in ChatTraffic.Load(Path.Combine(folder, "regrown.jsonl"), () => RegrownText.Make(model, calibration, regrown, 192, 1, threads, done => Console.Error.Write($"\rregrown {done} "), default))) yield return text;
        if (general > 0) foreach (var text in ChatTraffic.Load(Path.Combine(folder, "general.jsonl"), () => GeneratedText.Make(model, general, 128, 1, threads, done => Console.Error.Write($"\rgenerated {done} "), default))) yield return text;
    }

    private static void Note(Stopwatch clock, string what, int done, int all) => Console.Error.Write($"\r{what}: {done} of {all}, {clock.Elapsed.TotalSeconds:F0} s   ");

    private sealed class Watcher(Stopwatch clock) : ISearchObserver
    {
        public void Evaluated(SearchPace pace) => Note(clock, "search", pace.Evaluations, pace.ExpectedEvaluations);

        public void Stepped(SearchStep step, SearchPace pace)
        {
        }
    }
}
