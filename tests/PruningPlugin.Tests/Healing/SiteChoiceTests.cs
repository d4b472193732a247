using FinerCut.Pruning.Healing;

namespace FinerCut.Pruning.Tests.Healing;

public class SiteChoiceTests
{
    private const int Width = 576;

    /// <summary>Of an attention of SmolLM2 in Q8_0.</summary>
    private const long Attention = 940_032;

    /// <summary>Gains of 96 directions: 32 that bring half of the error, and others that bring next to nothing.</summary>
    private static readonly double[] Gains = [.. Enumerable.Repeat(0.5 / 32, 32), .. Enumerable.Repeat(1e-5, 64)];

    [Fact]
    public void A_rank_goes_up_as_long_as_its_gain_pays_for_its_bytes()
    {
        var choice = new SiteChoice(Attention, long.MaxValue, 1.5);
        var (rank, worth) = choice.Rank(0.1, Gains, Width);
        Assert.Equal(32, rank);
        Assert.Equal(0.6 - (1.5 * LowRankSite.BytesOf(Width, 32) / Attention), worth, 9);
        Assert.Equal(96, (choice with { Price = 1e-6 }).Rank(0.1, Gains, Width).Rank);
        Assert.Equal((0, 0.0), (choice with { Allowance = LowRankSite.BytesOf(Width, 32) - 1 }).Rank(0.1, Gains, Width));
        Assert.Equal((0, 0.0), choice.Rank(-0.5, Gains, Width));
    }

    /// <summary>A full map has seven times the bytes of rank 32 here: it must bring so much more, and be affordable.</summary>
    [Fact]
    public void A_full_map_is_worth_more_only_where_its_gain_pays_for_its_bytes()
    {
        var choice = new SiteChoice(Attention, long.MaxValue, 1.5);
        var bytes = LinearSite.BytesOf(Width);
        Assert.Equal((Width * Width / 32 * 34) + (4 * Width), bytes);
        var (_, rank) = choice.Rank(0.1, Gains, Width);
        var price = 1.5 * (bytes - LowRankSite.BytesOf(Width, 32)) / Attention;
        Assert.False(choice.Worth(0.6 + price - 1e-3, bytes) > rank);
        Assert.InRange(price, 0.3, 0.6);
        Assert.True(choice.Worth(0.6 + price + 1e-3, bytes) > rank);
        Assert.Equal(0, (choice with { Allowance = bytes - 1 }).Worth(1, bytes));
        Assert.True((choice with { Allowance = bytes }).Worth(1, bytes) > 0);
    }
}
