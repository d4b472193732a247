using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Dealing;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Shapes;
using FinerCut.Pruning.Tests;
using FinerCut.Pruning.Tests.Scoring;
using FinerCut.Runtime;
using FinerCut.TestModels;

namespace FinerCut.Tests.Dealing;

/// <summary>Several machines with the real model against one scorer of all: the same bits.</summary>
public class ModelBatchScorerTests
{
    private static readonly TinyModel Model = new() { Seed = 33, Blocks = 4, Embedding = 64, FeedForward = 128 };

    [Theory]
    [InlineData(DistanceTokens.All, 1L << 30, 1L << 30)]
    [InlineData(DistanceTokens.Answers, 1L << 30, 100_000)]
    [InlineData(DistanceTokens.All, 1L << 18, 0)]
    public void Dealt_scores_are_one_machines_to_the_last_bit(DistanceTokens tokens, long logitBytes, long stateBytes)
    {
        using var bench = Workbench.Tiny(Model);
        var units = FileUnits.Fine(bench.File.Model, bench.Shape, slices: 4);
        var set = bench.RandomTokens(1, 90, 80, 100, 30, 70);
        var options = new ScoringOptions(Workbench.Threads, logitBytes, stateBytes) { Tokens = tokens, TopK = 16 };
        using var alone = GraphMaskScorer.Create(bench.Model, units, set, DistanceKind.JensenShannon, options, (_, _) => { }, CancellationToken.None);
        using var one = new ModelBatchScorer(bench.Model, units, set, DistanceKind.JensenShannon, options);
        using var two = new ModelBatchScorer(bench.Model, units, set, DistanceKind.JensenShannon, options);
        Assert.Equal(alone.IsReferenceCompact, one.IsReferenceCompact);
        var dealt = new DealtScorer(units, one.Rows, [one, two], TimeProvider.System);
        var random = new Random(7);
        var announced = CutMask.None(units);
        for (var round = 0; round < 6; round++)
        {
            if (round % 2 == 1) announced = MaskedModelTests.RandomMask(units, 40 + round, round % 4);
            alone.Rebase(announced, CancellationToken.None);
            dealt.Rebase(announced, CancellationToken.None);
            CutMask[] masks = [.. Enumerable.Range(0, 5).Select(_ => announced.With(random.Next(units.Count)))];
            foreach (var share in (double[])[0.2, 1]) Assert.Equal(alone.Score(masks, share, CancellationToken.None), dealt.Score(masks, share, CancellationToken.None));
        }
    }

    [Fact]
    public void A_decode_that_is_broken_off_leaves_no_half_states()
    {
        using var bench = Workbench.Tiny(Model);
        var units = UnitMap.Sublayers(bench.Shape);
        var set = bench.RandomTokens(2, 60, 60);
        var options = new ScoringOptions(Workbench.Threads);
        using var scorer = new ModelBatchScorer(bench.Model, units, set, DistanceKind.JensenShannon, options);
        using var fresh = new ModelBatchScorer(bench.Model, units, set, DistanceKind.JensenShannon, options);
        var (announced, asked) = (CutMask.None(units).With(1), CutMask.None(units).With(1).With(4));
        scorer.Sums(CutMask.None(units), [asked], 0, CancellationToken.None);
        Assert.ThrowsAny<OperationCanceledException>(() => scorer.Sums(announced, [asked], 0, new CancellationToken(canceled: true)));
        Assert.Equal(fresh.Sums(announced, [asked], 0, CancellationToken.None), scorer.Sums(announced, [asked], 0, CancellationToken.None));
    }

    [Fact]
    public void What_a_host_says_of_a_search_that_is_not_its_own_is_no()
    {
        using var bench = Workbench.Tiny(Model);
        using var host = ScoringHost.Load(FinerCut.Runtime.Native.NativeRuntime.Open(), new ModelOptions { Path = bench.Path }, "aa", Workbench.Threads, CancellationToken.None);
        var units = UnitMap.Sublayers(bench.Shape);
        var opening = ScoreOpening.Of("bb", units, bench.RandomTokens(3, 20), DistanceKind.JensenShannon, new ScoringOptions(1));
        Assert.Contains("aa", Assert.Throws<BatchScorerException>(() => host.Open(opening, CancellationToken.None)).Message, StringComparison.Ordinal);
        Assert.Throws<BatchScorerException>(() => host.Sums(new ScoreShare([0], [[1]], 0), CancellationToken.None));
        host.Open(opening with { ModelSha256 = "aa" }, CancellationToken.None);
        Assert.Throws<BatchScorerException>(() => host.Sums(new ScoreShare([0], [[1, 0]], 0), CancellationToken.None));
        Assert.Throws<BatchScorerException>(() => host.Sums(new ScoreShare([0], [[1UL << 60]], 0), CancellationToken.None));
        Assert.Single(host.Sums(new ScoreShare([0], [[1]], 0), CancellationToken.None).Sums);
        Assert.Throws<BatchScorerException>(() => host.Open(opening with { ModelSha256 = "aa", Version = 99 }, CancellationToken.None));
    }
}
