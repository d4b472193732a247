using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.Pruning.Texts;
using FinerCut.Runtime;

namespace FinerCut.PruneBench;

/// <summary>
/// The surgeon's masks and the baselines' at shares of the blocks' bytes, each without healing and healed, all judged on the same held-out tokens. Hours: every score, fit and figure is kept in a
/// folder, and the same command goes on where it was stopped.
/// </summary>
/// <param name="folder">Scores, fits, texts and figures.</param>
internal sealed class TableBench(ILlamaModel model, string path, int threads, string folder)
{
    private const int HeldOutTokens = 2560;
    private const int OtherPieces = 16;
    private const int LongestSequence = 256;

    private static readonly double[] Shares =
        [.. (Environment.GetEnvironmentVariable("FINERCUT_BENCH_SHARES") ?? "0.05 0.1 0.2 0.3").Split(' ').Select(share => double.Parse(share, CultureInfo.InvariantCulture))];

    /// <param name="tokens">Of calibration traffic, that masks are found on.</param>
    /// <param name="fitTokens">That healing is fitted on, half of them general text where they are more than calibration has; 0 = nothing is healed.</param>
    /// <param name="rows">surgeon, or a baseline as <see cref="CurveBench"/> says; paper is the paper's greedy by count, lazily evaluated.</param>
    public void Run(ImmutableArray<TokenSequence> traffic, int tokens, int fitTokens, IReadOnlyList<string> rows)
    {
        Directory.CreateDirectory(folder);
        using var file = GgufShards.Open(path);
        var options = new ScoringOptions(threads);
        var (calibration, heldOut) = ChatTraffic.Split(traffic, tokens, HeldOutTokens, LongestSequence);
        var judge = new Lazy<HealedJudge>(() => new HealedJudge(model, file, heldOut, Other(), options));
        var fit = new Lazy<CalibrationSet>(() => FitSet(traffic, calibration, fitTokens));
        var general = new Lazy<CalibrationSet>(() => new CalibrationSet("general", [.. General(Math.Max(fitTokens / 2, tokens))]));
        double all = ModelShapeReader.Read(file.Model) is var shape ? shape.Sublayers().Sum(shape.BytesOf) : 0;
        Console.WriteLine($"{calibration.TokenCount} calibration tokens in {calibration.Sequences.Length} conversations, {heldOut.TokenCount} held out in {heldOut.Sequences.Length}; {all / 1e6:F1} MB of blocks");
        Console.WriteLine("| masks | share | healing | removed | KL | top-1 | NLL (full) | other text: KL | NLL it adds |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
        foreach (var name in rows)
        {
            var source = new MaskSource(model, file, calibration, general, options, folder);
            using var masks = new Later<IMaskPath>(() => name == "surgeon" ? new SurgeonPath(source, Moves.AllGrains) : new SearchedPath(source, name));
            foreach (var share in Shares)
            {
                var mask = new Lazy<CutMask>(() => masks.Value.Reached((long)(share * all)));
                var place = Path.Combine(folder, $"{name.Replace(',', '-')} {share.ToString(CultureInfo.InvariantCulture)}");
                Print("none", place, HealedModel.None);
                if (fitTokens > 0) Print($"fitted on {fitTokens}", $"{place} {fitTokens}", null);

                void Print(string healing, string at, HealedModel? healed)
                {
                    var figures = Kept($"{at}.txt", () => $"{masks.Value.Bytes.Bytes(mask.Value) / 1e6:F2} MB{Added(healed ??= Healed(file, mask.Value, fit.Value, at))} | {judge.Value.Of(mask.Value, healed)}");
                    Console.WriteLine($"| {name} | {share:P0} | {healing} | {figures} |");
                }
            }
        }
    }

    private static string Added(HealedModel healed) => healed.IsEmpty ? "" : $", {healed.Bytes / 1e6:F2} added";

    private HealedModel Healed(GgufShards file, CutMask mask, CalibrationSet fit, string place)
    {
        var clock = Stopwatch.StartNew();
        return new Healer(model, file, mask, HealingOptions.Auto(mask.Units.Shape.EmbeddingLength, threads)).Heal(
            fit, new HealingJournal(place, $"{mask} {fit.TokenCount}"), (done, of) => Console.Error.Write($"\r{Path.GetFileName(place)}: {done} of {of}, {clock.Elapsed.TotalSeconds:F0} s   "), default);
    }

    /// <summary>
    /// As a job by default makes it: half traffic (each prompt once), of which calibration is the beginning, gone on with by the model where there is too little, half general text of the model's own. Calibration itself where no
    /// more tokens are wanted.
    /// </summary>
    private CalibrationSet FitSet(ImmutableArray<TokenSequence> traffic, CalibrationSet calibration, int tokens)
    {
        if (tokens <= calibration.TokenCount) return calibration;
        var recorded = ChatTraffic.Split([.. traffic.DistinctBy(sequence => sequence.Id)], tokens / 2, 0, LongestSequence).Calibration;
        var regrown = Math.Max((tokens / 2) - recorded.TokenCount, 0);
        if (regrown < 128) regrown = 0;
        return new CalibrationSet("fit",
        [
            .. recorded.Sequences,
            .. Written("regrown", regrown, done => RegrownText.Make(model, recorded, regrown, LongestSequence, 1, threads, done, default)),
            .. General(tokens / 2),
        ]);
    }

    private IEnumerable<TokenSequence> General(int tokens) => Written("general", tokens, done => GeneratedText.Make(model, tokens, 128, 1, threads, done, default));

    private IEnumerable<TokenSequence> Written(string what, int tokens, Func<Action<int>, ImmutableArray<TokenSequence>> make)
    {
        if (tokens == 0) return [];
        var texts = ChatTraffic.Load(Path.Combine(folder, $"{what} {tokens}.jsonl"), () => make(done => Console.Error.Write($"\r{what}: {done} tokens of {tokens}   ")));
        return texts.TakeWhile((_, index) => texts.Take(index).Sum(text => text.Tokens.Length) < tokens);
    }

    /// <summary>Pieces of this repository's documentation: text unlike the traffic, and unlike what the model writes itself. Kept, since documents change.</summary>
    private CalibrationSet Other() => new("other", ChatTraffic.Load(Path.Combine(folder, $"other {OtherPieces}.jsonl"), () =>
    {
        var docs = Directory.GetFiles(Path.Combine(Path.GetDirectoryName(path)!, "..", "docs"), "*.md").Order().Where(name => Path.GetFileName(name) != "results.md").Select(File.ReadAllText);
        var words = model.Vocabulary.Tokenize(string.Join("\n\n", docs), true, false);
        return [.. Enumerable.Range(0, OtherPieces).Select(at => new TokenSequence($"d{at}", [.. words.AsSpan(at * 1500, 200)], 200))];
    }));

    private static string Kept(string path, Func<string> make)
    {
        if (File.Exists(path)) return File.ReadAllText(path);
        var made = make();
        File.WriteAllText(path, made);
        return made;
    }

    /// <summary>Made when first asked for, if ever.</summary>
    private sealed class Later<T>(Func<T> make) : IDisposable
        where T : IDisposable
    {
        private readonly Lazy<T> _made = new(make);

        public T Value => _made.Value;

        public void Dispose()
        {
            if (_made.IsValueCreated) _made.Value.Dispose();
        }
    }
}
