using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.Pruning.Tests.Searches;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Scoring;

public class GraphMaskScorerTests
{
    private static readonly TinyModel Model = new() { Seed = 21, Blocks = 5, Embedding = 128, Heads = 4, KvHeads = 2, FeedForward = 256, Weights = GgmlType.Q8_0 };

    /// <summary>Whatever mask was announced, and whichever residual states could be kept, a mask has one score.</summary>
    [Theory]
    [InlineData(1L << 30)]
    [InlineData(300_000)]
    [InlineData(0)]
    public void Prefix_skip_changes_no_bit(long stateBytes)
    {
        using var bench = Workbench.Tiny(Model);
        var units = FileUnits.Fine(bench.File.Model, bench.Shape, slices: 4);
        var set = bench.RandomTokens(1, 40, 11, 64, 30);
        using var skipping = Scorer(bench, units, set, stateBytes);
        var random = new Random(5);
        var announced = CutMask.None(units);
        for (var round = 0; round < 12; round++)
        {
            var mask = MaskedModelTests.RandomMask(units, 70 + round, round % 4);
            if (round % 3 == 0)
            {
                announced = mask;
                skipping.Rebase(announced, CancellationToken.None);
            }

            // Extensions of the announced mask, as searches ask for, and masks that have nothing to do with it.
            var asked = round % 2 == 0 ? announced.With(random.Next(units.Count)) : mask;
            using var whole = Scorer(bench, units, set, stateBytes: 0);
            Assert.Equal(Score(whole, asked), Score(skipping, asked));
        }
    }

    /// <summary>As wide as the processor wants it, and no wider than the logits' memory allows.</summary>
    [Theory]
    [InlineData(49_152, false, 128)]
    [InlineData(49_152, true, 256)]
    [InlineData(151_936, true, 220)]
    [InlineData(4_000_000, true, 32)]
    public void Decodes_are_wider_on_a_GPU(int vocabulary, bool gpu, int tokens) => Assert.Equal(tokens, new ScoringOptions(1).BatchTokens(vocabulary, gpu));

    [Fact]
    public void The_full_model_is_at_distance_zero()
    {
        using var bench = Workbench.Tiny(Model);
        using var scorer = Scorer(bench, UnitMap.Sublayers(bench.Shape), bench.RandomTokens(2, 40, 20), 1 << 30);
        Assert.InRange(Score(scorer, CutMask.None(scorer.Units)), 0, 1e-8);
    }

    [Fact]
    public void A_share_of_the_tokens_scores_the_first_batches()
    {
        using var bench = Workbench.Tiny(Model);
        var set = bench.RandomTokens(3, 200, 200, 200, 200);
        var units = UnitMap.Sublayers(bench.Shape);
        var mask = CutMask.None(units).With(3);
        using var all = Scorer(bench, units, set, 1 << 30);
        using var half = Scorer(bench, units, set with { Sequences = set.Sequences[..2] }, 1 << 30);
        Assert.Equal(Score(half, mask), all.Score([mask], 0.5, CancellationToken.None)[0]);
    }

    /// <summary>The paper's procedure by its plain description: every candidate's file written, loaded and run over all tokens.</summary>
    [Fact]
    public void Paper_mode_removes_what_a_plain_reimplementation_removes()
    {
        using var bench = Workbench.Tiny(Model with { Seed = 22, Blocks = 3 });
        var units = UnitMap.Sublayers(bench.Shape);
        var set = bench.RandomTokens(4, 30, 50);
        using var scorer = Scorer(bench, units, set, 1 << 30);
        var steps = new PaperSearch().Run(Landscape.Problem(units, new SearchBudget(4, null)), scorer, new Witness(), CancellationToken.None);

        var full = Workbench.FileLogits(bench.Path, set);
        var removed = new List<Sublayer>();
        while (removed.Count < 4)
        {
            var (distance, best) = units.Shape.Sublayers().Except(removed).Select(candidate =>
            {
                var lean = Workbench.FileLogits(bench.Rewrite(CutMask.Of(units, removed.Append(candidate))), set);
                return (full.Zip(lean).Average(pair => LogitDistance.Between(DistanceKind.JensenShannon, pair.First, LogitDistance.LogSumExp(pair.First), pair.Second)), candidate);
            }).Min();
            removed.Add(best);
            Assert.Equal(best.ToString(), steps[removed.Count - 1].Removed.Name);
            Assert.Equal(distance, steps[removed.Count - 1].Distance, 1e-12);
        }
    }

    [Fact]
    public void Cancelled_scoring_stops_and_leaves_the_scorer_usable()
    {
        using var bench = Workbench.Tiny(Model);
        var units = UnitMap.Sublayers(bench.Shape);
        using var scorer = Scorer(bench, units, bench.RandomTokens(6, 60, 60), 1 << 30);
        var mask = CutMask.None(units).With(2);
        var before = Score(scorer, mask);
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => scorer.Score([mask], 1, stop.Token));
        Assert.ThrowsAny<OperationCanceledException>(() => scorer.Rebase(CutMask.None(units).With(1), stop.Token));
        Assert.Equal(before, Score(scorer, mask));
    }

    [Fact]
    public void The_real_models_order_is_the_same_from_run_to_run()
    {
        using var bench = Workbench.SmolLm();
        var units = FileUnits.Sublayers(bench.File.Model, bench.Shape);
        var text = bench.Model.Vocabulary.Tokenize("The capital of France is Paris.", addSpecial: false, parseSpecial: false);
        var set = new CalibrationSet("fixed", [new("a", [.. text], text.Length)]);
        var problem = new SearchProblem(Moves.Sublayers(units, new HashSet<Sublayer>()), FileUnits.Costs(bench.File.Model, units), new SearchBudget(null, 1_100_000), false);
        string[] Order()
        {
            using var scorer = Scorer(bench, units, set, 1 << 30);
            return [.. new LazyGreedySearch().Run(problem, scorer, new Witness(), CancellationToken.None).Select(step => $"{step.Removed.Name} {step.Distance:R}")];
        }

        var first = Order();
        Assert.True(first.Length >= 2);
        Assert.Equal(first, Order());
    }

    /// <summary>Only positions that predict an answer's tokens count; batches without any are passed over.</summary>
    [Fact]
    public void Of_answers_alone_the_distance_is_the_mean_over_their_positions()
    {
        using var bench = Workbench.Tiny(Model);
        var random = bench.RandomTokens(7, 120, 100, 30, 50);
        CalibrationSet set = random with { Sequences = [random.Sequences[0] with { AnswerStart = 120 }, .. random.Sequences[1..]] };
        var units = UnitMap.Sublayers(bench.Shape);
        var mask = CutMask.None(units).With(3);
        using var scorer = GraphMaskScorer.Create(
            bench.Model, units, set, DistanceKind.KullbackLeibler, new ScoringOptions(Workbench.Threads) { Tokens = DistanceTokens.Answers }, (_, _) => { }, CancellationToken.None);
        float[][] full = bench.MaskedLogits(set, CutMask.None(units)), lean = bench.MaskedLogits(set, mask);
        var distances = new List<double>();
        foreach (var batch in TokenBatches.Pack(set, ScoringOptions.MostBatchTokens).Batches)
        {
            foreach (var (sequence, _, firstRow) in batch.Sequences)
            {
                for (var token = sequence.AnswerStart; token < sequence.Tokens.Length; token++)
                {
                    var row = firstRow + token - 1;
                    distances.Add(LogitDistance.Between(DistanceKind.KullbackLeibler, full[row], LogitDistance.LogSumExp(full[row]), lean[row]));
                }
            }
        }

        Assert.Equal(50 + 15 + 25, distances.Count);
        Assert.Equal(distances.Average(), Score(scorer, mask), 1e-9);

        // The first batch holds no answer: a small share goes on to the next.
        Assert.True(double.IsFinite(scorer.Score([mask], 0.01, CancellationToken.None)[0]));
    }

    /// <summary>What docs/pruning.md says of the compact form's error, measured on the real model and real text.</summary>
    [Fact]
    public void The_compact_reference_errs_little_and_keeps_the_order_of_masks()
    {
        using var bench = Workbench.SmolLm();
        var units = FileUnits.Sublayers(bench.File.Model, bench.Shape);
        var text = bench.Model.Vocabulary.Tokenize(
            "The river rises in the hills north of the town and flows for sixty miles to the sea. In spring it floods the meadows, and farmers move their cattle to higher ground.", addSpecial: false, parseSpecial: false);
        var set = new CalibrationSet("fixed", [new("a", [.. text], text.Length)]);
        CutMask[] masks = [.. new[] { 7, 20, 31, 44, 52 }.Select(unit => CutMask.None(units).With(unit)), CutMask.None(units).With(20).With(31).With(44)];
        foreach (var kind in new[] { DistanceKind.KullbackLeibler, DistanceKind.JensenShannon })
        {
            double[] Scores(long logitBytes)
            {
                using var scorer = GraphMaskScorer.Create(
                    bench.Model, units, set, kind, new ScoringOptions(Workbench.Threads, LogitBytes: logitBytes), (_, _) => { }, CancellationToken.None);
                Assert.Equal(logitBytes == 0, scorer.IsReferenceCompact);
                return [.. masks.Select(mask => Score(scorer, mask))];
            }

            double[] whole = Scores(1 << 30), compact = Scores(0);
            Assert.All(whole.Zip(compact), pair => Assert.InRange(pair.Second / pair.First, LeastCompactShare, 1.0001));
            Assert.Equal(Enumerable.Range(0, masks.Length).OrderBy(at => whole[at]), Enumerable.Range(0, masks.Length).OrderBy(at => compact[at]));
            TestContext.Current.TestOutputHelper?.WriteLine($"{kind}: {string.Join(' ', whole.Zip(compact).Select(pair => $"{pair.First:G4}->{pair.Second / pair.First:F4}"))}");
        }
    }

    /// <summary>Of a distance over whole rows the compact form with 256 tokens keeps at least this.</summary>
    private const double LeastCompactShare = 0.9;

    private static GraphMaskScorer Scorer(Workbench bench, UnitMap units, CalibrationSet set, long stateBytes) => GraphMaskScorer.Create(
        bench.Model, units, set, DistanceKind.JensenShannon, new ScoringOptions(Workbench.Threads, StateBytes: stateBytes), (_, _) => { }, CancellationToken.None);

    private static double Score(GraphMaskScorer scorer, CutMask mask) => scorer.Score([mask], 1, CancellationToken.None)[0];
}
