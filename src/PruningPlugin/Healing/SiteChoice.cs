namespace FinerCut.Pruning.Healing;

/// <summary>Which map is worth its bytes in a removed sublayer's place. Pure.</summary>
/// <param name="Bytes">Of the sublayer: what its whole error is worth.</param>
/// <param name="Allowance">Bytes that there are to spend.</param>
/// <param name="Price">What a byte has to bring (<see cref="HealingOptions.Price"/>).</param>
internal sealed record SiteChoice(long Bytes, long Allowance, double Price)
{
    /// <summary>What a map's gain exceeds the price of its bytes by; nothing, 0, where there are not enough to spend.</summary>
    /// <param name="gain">Share of the error that it takes away of sequences left out.</param>
    public double Worth(double gain, long bytes) => bytes > Allowance ? 0 : gain - (Price * bytes / Math.Max(Bytes, 1));

    /// <summary>The rank that is worth most, 0 where none is worth anything.</summary>
    /// <param name="constant">Gain of the mean alone.</param>
    /// <param name="gains">Of each further direction.</param>
    public (int Rank, double Worth) Rank(double constant, ReadOnlySpan<double> gains, int width)
    {
        var (best, most) = (0, 0.0);
        var gain = constant;
        for (var rank = 1; rank <= gains.Length; rank++)
        {
            gain += gains[rank - 1];
            if (rank % HealingOptions.RankStep != 0) continue;
            var worth = Worth(gain, LowRankSite.BytesOf(width, rank));
            if (worth > most) (best, most) = (rank, worth);
        }

        return (best, most);
    }
}
