using FinerCut.Masks;

namespace FinerCut.Tests.Masks;

public class MaskTests
{
    private static ModelShape Shape(params (int Heads, int Kv, int Ffn)[] blocks) =>
        new("llama", 64, 16, 100, [.. blocks.Select(block => new BlockShape(block.Heads, block.Kv, block.Ffn, 100, 300))], 10_000);

    private static readonly ModelShape ThreeBlocks = Shape((9, 3, 1536), (0, 0, 96), (9, 3, 0));

    [Fact]
    public void A_shape_lists_the_sublayers_that_exist_in_residual_order() =>
        Assert.Equal(["attn:0", "ffn:0", "ffn:1", "attn:2"], ThreeBlocks.Sublayers().Select(sublayer => sublayer.ToString()));

    [Theory]
    [InlineData("attn:3", true)]
    [InlineData("ffn:12", true)]
    [InlineData("ffn", false)]
    [InlineData("ffn:-1", false)]
    [InlineData("ffn:+1", false)]
    [InlineData("attention:1", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void Sublayer_text_is_read_back(string? text, bool good)
    {
        Assert.Equal(good, Sublayer.TryParse(text, out var sublayer));
        if (good) Assert.Equal(text, sublayer.ToString());
    }

    [Fact]
    public void Fine_units_cover_each_part_once_and_count_through()
    {
        var units = UnitMap.Fine(ThreeBlocks, channelBlock: 32, slices: 4);
        Assert.Equal(3 + 4 + 3 + 3, units.Count);
        Assert.Equal("attn:0/kv0 attn:0/kv1 attn:0/kv2 ffn:0/slice0 ffn:0/slice1 ffn:0/slice2 ffn:0/slice3 ffn:1/slice0 ffn:1/slice1 ffn:1/slice2 attn:2/kv0 attn:2/kv1 attn:2/kv2",
            string.Join(' ', Enumerable.Range(0, units.Count).Select(index => units.UnitAt(index))));
        foreach (var index in Enumerable.Range(0, units.Count)) Assert.Equal(index, units.IndexOf(units.UnitAt(index)));
        Assert.Equal(Enumerable.Range(0, 48), units.Parts[1].SelectMany(part => part));
    }

    [Fact]
    public void Parts_missing_twice_or_out_of_range_are_refused()
    {
        var shape = Shape((4, 2, 64));
        Assert.Throws<ArgumentException>(() => new UnitMap(shape, 32, [[[0]], [[0, 1]]]));
        Assert.Throws<ArgumentException>(() => new UnitMap(shape, 32, [[[0, 1]], [[0], [0, 1]]]));
        Assert.Throws<ArgumentException>(() => new UnitMap(shape, 32, [[[0, 1]], [[0, 2]]]));
        Assert.Throws<ArgumentException>(() => new UnitMap(shape, 32, [[[0, 1]]]));
        Assert.Equal(2, new UnitMap(shape, 32, [[[1, 0]], [[1, 0]]]).Count);
    }

    [Fact]
    public void A_sublayer_is_gone_when_all_its_units_are()
    {
        var units = UnitMap.Fine(ThreeBlocks, 32, 4);
        var attention = new Sublayer(0, SublayerKind.Attention);
        var mask = CutMask.None(units).With(new Unit(attention, 0)).With(new Unit(attention, 2));
        Assert.True(mask.IsTouched(attention));
        Assert.False(mask.IsGone(attention));
        Assert.Equal([0, 2], mask.RemovedParts(attention));
        mask = mask.With(new Unit(attention, 1));
        Assert.True(mask.IsGone(attention));
        Assert.Equal("attn:0", mask.ToString());
        Assert.False(CutMask.None(units).IsGone(new Sublayer(1, SublayerKind.Attention)));
    }

    [Fact]
    public void Masks_are_values()
    {
        var units = UnitMap.Sublayers(ThreeBlocks);
        var a = CutMask.None(units).With(3).With(1);
        var b = CutMask.Of(units, [1, 3]);
        Assert.Equal(a, b);
        Assert.Equal(a.GetHashCode(), b.GetHashCode());
        Assert.Equal(b, b.With(2).Without(2));
        Assert.NotEqual(a, a.Without(1));
        Assert.Equal(2, a.Count);
        Assert.Equal([1, 3], a.Removed());
        Assert.Throws<ArgumentOutOfRangeException>(() => CutMask.Of(units, [4]));
        Assert.Throws<ArgumentOutOfRangeException>(() => CutMask.None(units).With(new Sublayer(1, SublayerKind.Attention)));
    }

    [Fact]
    public void Masks_wider_than_a_word_work()
    {
        var shape = Shape([.. Enumerable.Repeat((4, 2, 64), 80)]);
        var units = UnitMap.Sublayers(shape);
        Assert.Equal(160, units.Count);
        var mask = CutMask.Of(units, [0, 63, 64, 127, 128, 159]);
        Assert.Equal([0, 63, 64, 127, 128, 159], mask.Removed());
        Assert.Equal("attn:0 ffn:31 attn:32 ffn:63 attn:64 ffn:79", mask.ToString());
    }
}
