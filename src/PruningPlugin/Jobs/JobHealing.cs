using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Pruning.Jobs;

/// <summary>A job's healing: what it costs while the search goes on, and the fits once the mask stands.</summary>
internal sealed class JobHealing(JobContext context, FullModel full, HealingTexts texts, string folder = "healing")
{
    private PruneRequest Request => context.Request;

    /// <summary>Only deci has places for sites and biases (design §6).</summary>
    private bool Heals => Request.Healing != HealingKind.None && LeanForm.Of(full.File.Model).Architecture == "deci";

    /// <summary>Whether kept projections are fitted anew.</summary>
    public bool Fits => Heals && Request.Healing is HealingKind.Refit or HealingKind.Auto;

    private bool HasSites => Heals && Request.Healing is HealingKind.LowRank or HealingKind.Linear or HealingKind.Auto;

    /// <summary>What a removal saves once healing has spent its share: a job that is to remove N bytes removes N and what healing costs.</summary>
    public UnitCosts Costs(UnitCosts plain) => HasSites ? plain.WithReplacement(Auto.BytesASite) : plain;

    /// <summary>The same for another mask, whose fits are kept in a folder of their own.</summary>
    public JobHealing At(string place) => new(context, full, texts, place);

    /// <summary>What is left of a job of which this is to be.</summary>
    /// <param name="calibrationTokens">That it is looked at on in the end.</param>
    /// <param name="heldOutTokens">That judge it.</param>
    public JobForecast Forecast(int calibrationTokens, int heldOutTokens) => !Heals ? JobForecast.Of(Request, 0, 0, calibrationTokens, heldOutTokens)
        : JobForecast.Of(Request, JobForecast.Written * texts.Unwritten, (Fits ? JobForecast.Fitted : JobForecast.Averaged) * texts.Tokens, calibrationTokens, heldOutTokens);

    public HealedModel Heal(CutMask mask, JobProgress progress, CancellationToken cancellationToken)
    {
        if (!Heals) return HealedModel.None;
        progress.HealingBegins();
        var set = FitSet(progress, cancellationToken);
        var options = Auto with
        {
            Projections = Fits ? ProjectionHealing.Weights : ProjectionHealing.Biases,
            MaxRank = HasSites ? HealingOptions.LargestRank : 0,
            Linear = Request.Healing is HealingKind.Linear or HealingKind.Auto,
        };
        var journal = new HealingJournal(Path.Combine(Request.WorkFolder, folder), Fingerprint(mask, set));
        return new Healer(full.Model, full.File, mask, options).Heal(
            set, journal, (done, all) => progress.Healed(JobProgress.TextSteps + done, JobProgress.TextSteps + all), cancellationToken);
    }

    /// <summary>One a sublayer follows the texts'.</summary>
    private int Steps => JobProgress.TextSteps + full.Shape.Sublayers().Count();

    private HealingOptions Auto => HealingOptions.Auto(full.Shape.EmbeddingLength, context.Threads);

    /// <summary>Half traffic, half general text: traffic is healed as well by it, and other text does not get worse (design §7). The texts are a hundred steps, whether kept or written now.</summary>
    private CalibrationSet FitSet(JobProgress progress, CancellationToken cancellationToken)
    {
        var regrown = texts.HasGeneral ? 100 : 50;
        var recorded = texts.Recorded((done, all) => progress.Healed(regrown * done / all, Steps), cancellationToken);
        var general = texts.General((done, all) => progress.Healed(regrown + ((100 - regrown) * done / all), Steps), cancellationToken);
        return new CalibrationSet("healing", [.. recorded.Sequences, .. general.Sequences]);
    }

    private string Fingerprint(CutMask mask, CalibrationSet set)
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{JobFingerprint.Of(Request, full.Sha256, set)} {EvaluationJournal.Key(mask)}");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
    }
}
