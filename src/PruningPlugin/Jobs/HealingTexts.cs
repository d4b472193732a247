using System.Globalization;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Pruning.Texts;

namespace FinerCut.Pruning.Jobs;

/// <summary>
/// The texts that a job's healing is fitted on, of which the surgeon sees the general ones before (<see cref="Elimination.SurgeonTexts"/>). What the model writes of them is kept in the work folder. One thread.
/// </summary>
internal sealed class HealingTexts(JobContext context, FullModel full, PruneTraffic traffic)
{
    /// <summary>Tokens of each general text that the model writes itself.</summary>
    private const int TextTokens = 128;

    private CalibrationSet? _general = traffic.General;
    private CalibrationSet? _recorded;

    /// <summary>Whether general text is there already, and need not be written.</summary>
    public bool HasGeneral => _general is not null;

    private PruneRequest Request => context.Request;

    private CalibrationSet Traffic => traffic.Healing ?? traffic.Calibration;

    private int Tokens => Request.HealingTokensFor(traffic.Calibration.TokenCount);

    /// <summary>The general half: a file's, or the model's own.</summary>
    /// <param name="progress">Tokens written and wanted; not called where nothing has to be written.</param>
    public CalibrationSet General(Action<int, int> progress, CancellationToken cancellationToken)
    {
        if (_general is not null) return _general;
        var wanted = Math.Max(Tokens - Math.Max(Traffic.TokenCount, Tokens / 2), TextTokens);
        var path = Path.Combine(Request.WorkFolder, "general-text.json");
        var fingerprint = $"{full.Sha256} {wanted} {Request.Seed}";
        var texts = KeptTexts.Read(path, fingerprint);
        if (texts is null)
        {
            texts = GeneratedText.Make(full.Model, wanted, TextTokens, Request.Seed, context.Threads, done => progress(Math.Min(done, wanted), wanted), cancellationToken);
            KeptTexts.Write(path, fingerprint, texts.Value);
        }

        return _general = new CalibrationSet("general", texts.Value);
    }

    /// <summary>The other half: recorded traffic. Where there is less than that, the model goes on with recorded conversations of its own.</summary>
    /// <param name="progress">As for <see cref="General"/>.</param>
    public CalibrationSet Recorded(Action<int, int> progress, CancellationToken cancellationToken)
    {
        if (_recorded is not null) return _recorded;
        var (recorded, missing) = (Traffic, (Tokens / 2) - Traffic.TokenCount);
        if (missing < TextTokens) return recorded;
        var path = Path.Combine(Request.WorkFolder, "regrown-text.json");
        var fingerprint = string.Create(CultureInfo.InvariantCulture, $"{full.Sha256} {missing} {Request.Seed} {recorded.TokenCount}");
        var texts = KeptTexts.Read(path, fingerprint);
        if (texts is null)
        {
            texts = RegrownText.Make(
                full.Model, recorded, missing, Request.MaxSequenceTokens, Request.Seed, context.Threads, done => progress(Math.Min(done, missing), missing), cancellationToken);
            KeptTexts.Write(path, fingerprint, texts.Value);
        }

        return _recorded = recorded with { Sequences = [.. recorded.Sequences, .. texts.Value] };
    }
}
