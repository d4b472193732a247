using System.Collections.Immutable;

namespace FinerCut.Pruning.Healing;

/// <summary>What healing does with the output projections of kept sublayers.</summary>
internal enum ProjectionHealing
{
    None,

    /// <summary>Their biases take up the mean of what is missing.</summary>
    Biases,

    /// <summary>Their weights are fitted anew, on the grid of their quantisation, and their biases.</summary>
    Weights,
}

/// <summary>How a pruned model is healed.</summary>
/// <param name="Projections">Of kept sublayers.</param>
/// <param name="MaxRank">Largest rank of a map in a removed sublayer's place; 0 = none stands there.</param>
/// <param name="Biases">Whether the lean file's architecture has output biases.</param>
internal sealed record HealingOptions(ProjectionHealing Projections, int MaxRank, bool Biases, int Threads)
{
    /// <summary>Ranks come in whole blocks of Q8_0.</summary>
    public const int RankStep = 32;

    public const int LargestRank = 96;

    /// <summary>As a job heals where nothing else is asked for: a removed sublayer gives the bytes of its smallest map.</summary>
    public static HealingOptions Auto(int embedding, int threads) => new(ProjectionHealing.Weights, LargestRank, true, threads) { Linear = true, BytesASite = LowRankSite.BytesOf(embedding, RankStep) };

    /// <summary>Whether a full linear map may stand in a removed attention's place, where that is worth more than one of low rank.</summary>
    public bool Linear { get; init; }

    /// <summary>Bytes that each removed sublayer gives healing to spend; what one leaves, later ones may take.</summary>
    public long BytesASite { get; init; } = long.MaxValue / 1_000_000;

    /// <summary>Ridge penalties to choose from, as shares of the inputs' mean second moment. One is enough: what sequences left out do not confirm is shrunk anyway (docs/adr/0011 has what others gave).</summary>
    public ImmutableArray<double> Penalties { get; init; } = [1];

    /// <summary>Share of a projection's error that has to go on sequences left out, rounding included: less is not worth new quants and a bias.</summary>
    public double LeastGain { get; init; } = 0.01;

    /// <summary>What a byte of healing has to bring, against the mean of what a removed byte cost: the last bytes removed cost more than the first.</summary>
    public double Price { get; init; } = 1.5;
}
