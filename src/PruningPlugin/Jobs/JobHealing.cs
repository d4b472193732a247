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
using FinerCut.Pruning.Texts;

namespace FinerCut.Pruning.Jobs;

/// <summary>A job's healing: what it costs while the search goes on, and the fits once the mask stands.</summary>
internal sealed class JobHealing(JobContext context, FullModel full, PruneTraffic traffic, string folder = "healing")
{
    /// <summary>Tokens of each text that the model writes itself.</summary>
    private const int TextTokens = 128;

    private PruneRequest Request => context.Request;

    /// <summary>Only deci has places for sites and biases (design §6).</summary>
    private bool Heals => Request.Healing != HealingKind.None && LeanForm.Of(full.File.Model).Architecture == "deci";

    /// <summary>Whether kept projections are fitted anew.</summary>
    public bool Fits => Heals && Request.Healing is HealingKind.Refit or HealingKind.Auto;

    private bool HasSites => Heals && Request.Healing is HealingKind.LowRank or HealingKind.Linear or HealingKind.Auto;

    /// <summary>What a removal saves once healing has spent its share: a job that is to remove N bytes removes N and what healing costs.</summary>
    public UnitCosts Costs(UnitCosts plain) => HasSites ? plain.WithReplacement(Auto.BytesASite) : plain;

    /// <summary>The same for another mask, whose fits are kept in a folder of their own.</summary>
    public JobHealing At(string place) => new(context, full, traffic, place);

    public HealedModel Heal(CutMask mask, JobProgress progress, CancellationToken cancellationToken)
    {
        if (!Heals) return HealedModel.None;
        progress.HealingBegins();
        var (set, generated) = FitSet(progress, cancellationToken);
        var options = Auto with
        {
            Projections = Fits ? ProjectionHealing.Weights : ProjectionHealing.Biases,
            MaxRank = HasSites ? HealingOptions.LargestRank : 0,
            Linear = Request.Healing is HealingKind.Linear or HealingKind.Auto,
        };
        var journal = new HealingJournal(Path.Combine(Request.WorkFolder, folder), Fingerprint(mask, set));
        return new Healer(full.Model, full.File, mask, options).Heal(
            set, journal, (done, all) => progress.Healed(generated + done, generated + all), cancellationToken);
    }

    private int Tokens => Request.HealingTokensFor(traffic.Calibration.TokenCount);

    private HealingOptions Auto => HealingOptions.Auto(full.Shape.EmbeddingLength, context.Threads);

    /// <summary>
    /// Half traffic, half general text: traffic is healed as well by it, and other text does not get worse (design §7). Where there is less traffic than that, the model goes on with
    /// recorded conversations of its own.
    /// </summary>
    private (CalibrationSet Set, int Generated) FitSet(JobProgress progress, CancellationToken cancellationToken)
    {
        var recorded = Regrown(traffic.Healing ?? traffic.Calibration, progress, cancellationToken);
        var regrown = recorded.TokenCount > (traffic.Healing ?? traffic.Calibration).TokenCount ? RegrownPercent : 0;
        if (traffic.General is { } general) return (new CalibrationSet("healing", [.. recorded.Sequences, .. general.Sequences]), regrown);
        var wanted = Math.Max(Tokens - recorded.TokenCount, TextTokens);
        var path = Path.Combine(Request.WorkFolder, "general-text.json");
        var fingerprint = $"{full.Sha256} {wanted} {Request.Seed}";
        var kept = KeptTexts.Read(path, fingerprint);
        if (kept is null)
        {
            kept = GeneratedText.Make(
                full.Model, wanted, TextTokens, Request.Seed, context.Threads, done => Written(regrown + ((100 - regrown) * Math.Min(done, wanted) / wanted), progress), cancellationToken);
            KeptTexts.Write(path, fingerprint, kept.Value);
        }

        return (new CalibrationSet("healing", [.. recorded.Sequences, .. kept.Value]), 100);
    }

    private CalibrationSet Regrown(CalibrationSet recorded, JobProgress progress, CancellationToken cancellationToken)
    {
        var missing = (Tokens / 2) - recorded.TokenCount;
        if (missing < TextTokens) return recorded;
        var path = Path.Combine(Request.WorkFolder, "regrown-text.json");
        var fingerprint = string.Create(CultureInfo.InvariantCulture, $"{full.Sha256} {missing} {Request.Seed} {recorded.TokenCount}");
        var texts = KeptTexts.Read(path, fingerprint);
        if (texts is null)
        {
            texts = RegrownText.Make(
                full.Model, recorded, missing, Request.MaxSequenceTokens, Request.Seed, context.Threads, done => Written(RegrownPercent * Math.Min(done, missing) / missing, progress), cancellationToken);
            KeptTexts.Write(path, fingerprint, texts.Value);
        }

        return recorded with { Sequences = [.. recorded.Sequences, .. texts.Value] };
    }

    /// <summary>Of the texts that are written.</summary>
    private int RegrownPercent => traffic.General is null ? 50 : 100;

    /// <summary>The texts are a hundred steps, regrown ones first; a step a sublayer follows.</summary>
    private void Written(int percent, JobProgress progress) => progress.Healed(percent, 100 + full.Shape.Sublayers().Count());

    private string Fingerprint(CutMask mask, CalibrationSet set)
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{JobFingerprint.Of(Request, full.Sha256, set)} {EvaluationJournal.Key(mask)}");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
    }
}
