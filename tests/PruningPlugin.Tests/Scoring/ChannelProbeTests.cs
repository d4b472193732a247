using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Scoring;

public class ChannelProbeTests
{
    private static readonly TinyModel Model = new() { Seed = 41, Blocks = 2, Embedding = 64, Heads = 4, KvHeads = 2, FeedForward = 256, Weights = GgmlType.F32 };
    private static readonly ScoringOptions Options = new(Workbench.Threads);

    /// <summary>What the probe and the column norms say of a channel is what the residual stream loses without it, measured by leaving it out.</summary>
    [Fact]
    public void A_channels_importance_is_what_the_stream_loses_without_it()
    {
        using var bench = Workbench.Tiny(Model);
        var set = bench.RandomTokens(1, 40, 25);
        var importance = ChannelImportance.Of(bench.File, ChannelProbe.Measure(bench.Model, bench.Shape, set, Options, CancellationToken.None));
        ImmutableArray<int> OneBlock(int parts) => [.. Enumerable.Range(0, parts)];
        var single = new UnitMap(bench.Shape, 1, [.. bench.Shape.Sublayers().Select(sublayer => sublayer.Kind == SublayerKind.Attention
            ? ImmutableArray.Create(OneBlock(2))
            : [.. Enumerable.Range(0, 256).Select(channel => ImmutableArray.Create(channel))])]);
        foreach (var (block, channel) in new[] { (0, 0), (0, 100), (1, 255) })
        {
            var sublayer = new Sublayer(block, SublayerKind.Ffn);
            var mask = CutMask.None(single).With(single.RangeOf(sublayer).Start + channel);
            var (with, without) = (Stream(bench, set, CutMask.None(single), sublayer), Stream(bench, set, mask, sublayer));
            var lost = with.Zip(without, (left, right) => Math.Pow((double)left - right, 2)).Sum() / set.TokenCount;
            Assert.InRange(importance.OfChannels(block)[channel] / lost, 0.99, 1.01);
        }
    }

    [Fact]
    public void The_least_important_channel_blocks_make_the_first_slice()
    {
        using var bench = Workbench.Tiny(Model with { Weights = GgmlType.Q8_0 });
        var shape = bench.Shape;
        var channels = Enumerable.Range(0, 256).Select(channel => (double)(channel / 32 * 5 % 8)).ToImmutableArray();
        var units = FileUnits.For(bench.File.Model, shape, Moves.AllGrains, slices: 4, new ChannelImportance([channels, channels]));
        var order = Enumerable.Range(0, 8).OrderBy(block => block * 5 % 8).ToArray();
        Assert.Equal(4, units.Parts[1].Length);
        for (var slice = 0; slice < 4; slice++) Assert.Equal(order[(2 * slice)..((2 * slice) + 2)].Order(), units.Parts[1][slice]);
        var weights = FileUnits.Weights(units, new ChannelImportance([channels, channels]));
        var (start, _) = units.RangeOf(new Sublayer(0, SublayerKind.Ffn));
        Assert.Equal([32, 160, 288, 416], weights[start..(start + 4)]);
        Assert.Equal(8, FileUnits.For(bench.File.Model, shape, Moves.AllGrains, slices: 1000, null).Parts[1].Length);
        Assert.Single(FileUnits.For(bench.File.Model, shape, [PruneGrain.KvGroup], slices: 4, null).Parts[1]);
    }

    /// <summary>The stream before the first block is what the vocabulary says, so block 0 has an influence of its own as well.</summary>
    [Fact]
    public void A_blocks_influence_is_how_far_it_turns_the_stream()
    {
        using var bench = Workbench.Tiny(Model with { Blocks = 1 });
        var set = bench.RandomTokens(2, 30);
        var influence = BlockInfluence.Measure(bench.Model, bench.Shape, set, Options, CancellationToken.None);
        var after = Stream(bench, set, CutMask.None(UnitMap.Sublayers(bench.Shape)), new Sublayer(0, SublayerKind.Ffn));
        var table = bench.File.Model.GetTensor("token_embd.weight");
        var row = new float[64];
        var expected = 0.0;
        for (var at = 0; at < 30; at++)
        {
            GgmlDecoder.Decode(table.Type, bench.File.Data(table, set.Sequences[0].Tokens[at] * table.RowBytes, (int)table.RowBytes), row);
            expected += 1 - System.Numerics.Tensors.TensorPrimitives.CosineSimilarity(row, after.AsSpan(at * 64, 64));
        }

        Assert.Equal(expected / 30, Assert.Single(influence), 1e-4);
    }

    private static float[] Stream(Workbench bench, CalibrationSet set, CutMask mask, Sublayer after)
    {
        var batch = Assert.Single(TokenBatches.Pack(set, 128).Batches);
        var states = new ResidualStates(bench.Shape, [batch.Tokens], long.MaxValue);
        using var masked = new MaskedModel(bench.Model, bench.Shape, 128, Workbench.Threads);
        masked.Decode(batch, mask, new StateUse(states, 0, -1, [after.Order]), logits: false, CancellationToken.None);
        return states.Get(0, after.Order).ToArray();
    }
}
