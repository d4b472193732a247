using FinerCut.Jobs;

namespace FinerCut.Pruning.Jobs;

/// <summary>
/// What of a job follows its search, in tokens that the full model would pass through in the same time: with the pace of one pass an end can be told before any of it has begun. Ratios were measured
/// on SmolLM2-135M; what has begun goes by its own pace, so they need not be right for other shapes for long. Immutable.
/// </summary>
/// <param name="Texts">That are written for healing.</param>
/// <param name="Fits">Healing's, of one try.</param>
/// <param name="Verifying">Held-out tokens through both models, of one try.</param>
/// <param name="Gate">Texts and continuations, of one try.</param>
/// <param name="Measuring">Both models on the calibration set, their speeds, and examples.</param>
/// <param name="Tries">Points of the search's path that are healed and judged.</param>
internal sealed record JobForecast(double Texts, double Fits, double Verifying, double Gate, double Measuring, int Tries)
{
    /// <summary>A token that is written, several texts at once.</summary>
    public const double Written = 1.3;

    /// <summary>A token that kept projections are fitted on: two streams, moments, solutions.</summary>
    public const double Fitted = 3;

    /// <summary>A token that only biases and sites are fitted on.</summary>
    public const double Averaged = 2;

    /// <summary>A held-out token in the full model, the lean file, the masked model and the simulation.</summary>
    private const double Verified = 4.2;

    private const double GateTokens = 3500;

    private const double MeasuringTokens = 4400;

    /// <summary>A search for the leanest halves the path and then proves what it chose.</summary>
    private const int TriesForTheLeanest = 5;

    public static JobForecast Of(PruneRequest request, double texts, double fits, int calibrationTokens, int heldOutTokens) =>
        new(texts, fits, Verified * heldOutTokens, GateTokens, MeasuringTokens + (2 * calibrationTokens), request.Budget.Leanest ? TriesForTheLeanest : 1);

    /// <summary>Tokens that are left.</summary>
    /// <param name="phase">Where the job is; Texts are those for healing.</param>
    /// <param name="share">Of the phase, that is done.</param>
    /// <param name="tries">That follow this one.</param>
    public double Left(PrunePhase phase, double share, int tries)
    {
        var judged = Verifying + Gate;
        var after = (Math.Max(tries, 0) * (Fits + judged)) + Measuring;
        return phase switch
        {
            PrunePhase.Search => Texts + Fits + judged + after,
            PrunePhase.Texts => ((1 - share) * Texts) + Fits + judged + after,
            PrunePhase.Healing => ((1 - share) * Fits) + judged + after,
            PrunePhase.Writing => judged + after,
            PrunePhase.Verifying => ((1 - share) * Verifying) + Gate + after,
            PrunePhase.Gate => ((1 - share) * Gate) + after,
            PrunePhase.Measuring => (1 - share) * Measuring,
            _ => throw new ArgumentOutOfRangeException(nameof(phase), phase, "Nothing is forecast there."),
        };
    }
}
