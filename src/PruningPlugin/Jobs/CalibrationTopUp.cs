using System.Globalization;
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
    /// <summary>Tokens of each text.</summary>
    private const int TextTokens = 128;

    /// <summary>Neither healing's nor the gate's texts.</summary>
    private const int TopUpSeed = 104_729;

    public static CalibrationSet Fill(JobContext context, FullModel full, CalibrationSet traffic, JobProgress progress, CancellationToken cancellationToken)
    {
        var request = context.Request;
        var missing = request.MaxCalibrationTokens - traffic.TokenCount;
        if (missing < TextTokens) return traffic;
        var texts = KeptTexts.ReadOrMake(
            Path.Combine(request.WorkFolder, "calibration-text.json"), string.Create(CultureInfo.InvariantCulture, $"{full.Sha256} {missing} {request.Seed}"), missing,
            told => GeneratedText.Make(full.Model, missing, Math.Min(TextTokens, request.MaxSequenceTokens), unchecked(request.Seed + TopUpSeed), context.Threads, told, cancellationToken),
            (done, all) => progress.Phase(PrunePhase.Texts, done, all));
        return TextMixture.Spread(traffic.Name, traffic.Sequences, texts);
    }
}
