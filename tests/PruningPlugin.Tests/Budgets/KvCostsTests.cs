using FinerCut.Masks;
using FinerCut.Pruning.Budgets;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Budgets;

public class KvCostsTests
{
    private static readonly TinyModel Model = new() { Seed = 5, Blocks = 3, Embedding = 128, Heads = 4, KvHeads = 2, FeedForward = 256, Weights = Gguf.GgmlType.Q8_0 };

    [Fact]
    public void Keys_and_values_go_with_their_heads_and_with_nothing_else()
    {
        using var bench = Workbench.Tiny(Model);
        var units = FileUnits.Fine(bench.File.Model, bench.Shape, 2);
        var costs = KvCosts.Of(units, standIns: false);

        // Two heads of 32 elements in each of three blocks, a key and a value, two bytes an element.
        Assert.Equal(3 * 2 * 2 * 32 * 2, KvCosts.Total(bench.Shape));
        Assert.Equal(KvCosts.Total(bench.Shape), costs.Total);
        var none = CutMask.None(units);
        Assert.Equal(128, costs.Bytes(none.With(units.IndexOf(new Unit(new Sublayer(1, SublayerKind.Attention), 0)))));
        Assert.Equal(0, costs.Bytes(none.With(units.IndexOf(new Unit(new Sublayer(1, SublayerKind.Ffn), 0)))));
    }

    [Fact]
    public void Where_a_head_of_zeros_stands_in_its_keys_and_values_stay()
    {
        using var bench = Workbench.Tiny(Model);
        var units = FileUnits.Sublayers(bench.File.Model, bench.Shape);
        Assert.Equal(256, KvCosts.Of(units, standIns: false).Bytes(CutMask.None(units).With(0)));
        Assert.Equal(128, KvCosts.Of(units, standIns: true).Bytes(CutMask.None(units).With(0)));
    }
}
