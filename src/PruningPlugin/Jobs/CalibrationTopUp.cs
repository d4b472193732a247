using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Pruning.Texts;

namespace FinerCut.Pruning.Jobs;

/// <summary>
/// Calibration that traffic gives too little of, filled up with text that the full model writes from short openings. It is spread among the traffic, since shares
/// of the tokens are taken from the beginning. Kept in the work folder, so that a job that resumes has the same.
/// </summary>
internal static class CalibrationTopUp
{
    /// <summary>Neither healing's nor the gate's texts.</summary>
    private const int TopUpSeed = 104_729;

    public static CalibrationSet Fill(JobContext context, FullModel full, CalibrationSet traffic, JobProgress progress, CancellationToken cancellationToken)
    {
        var request = context.Request;
        var missing = request.MaxCalibrationTokens - traffic.TokenCount;
        if (missing < OwnText.Tokens) return traffic;
        var texts = OwnText.Written(
            context, full, "calibration-text.json", missing, unchecked(request.Seed + TopUpSeed), (done, all) => progress.Phase(PrunePhase.Texts, done, all), cancellationToken);
        return TextMixture.Spread(traffic.Name, traffic.Sequences, texts);
    }
}
