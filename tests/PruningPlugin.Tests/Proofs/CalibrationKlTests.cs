using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Proofs;
using FinerCut.Pruning.Scoring;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Proofs;

public class CalibrationKlTests
{
    /// <summary>On the same conversations it says what the gate's proof says: else the gap between the two would be one of measures.</summary>
    [Fact]
    public void It_is_measured_as_the_gate_measures()
    {
        using var bench = Workbench.Tiny(new TinyModel { Seed = 53, Blocks = 3 });
        var mask = CutMask.Of(UnitMap.Sublayers(bench.Shape), [new Sublayer(1, SublayerKind.Ffn)]);
        using var lean = Workbench.Load(bench.Rewrite(mask));
        var set = bench.RandomTokens(5, 90, 17, 60, 44);
        var options = new ScoringOptions(Workbench.Threads);
        var proof = FileProof.Run(bench.Model, lean, mask, set, options, (_, _) => { }, CancellationToken.None);
        var told = new List<(int, int)>();
        var seen = CalibrationKl.Run(bench.Model, lean, set, options, 0.95, 1, (done, all) => told.Add((done, all)), CancellationToken.None);
        Assert.Equal(Bootstrap.Mean([.. proof.Conversations.Select(conversation => (conversation.KlSum, conversation.Positions))], 0.95, 1), seen);
        Assert.True(seen.Mean > 0 && seen.Low < seen.High, $"{seen}");
        Assert.Equal((told.Count, told.Count), told[^1]);
        Assert.Equal(new Estimate(0, 0, 0), CalibrationKl.Run(bench.Model, bench.Model, set, options, 0.95, 1, (_, _) => { }, CancellationToken.None));
    }
}
