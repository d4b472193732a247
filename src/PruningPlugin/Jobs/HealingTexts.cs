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
    /// <summary>Of what stands in for conversations that cannot be gone on with: other texts than the general half's.</summary>
    private const int RestSeed = 15_485_863;

    private CalibrationSet? _general = traffic.General;

    /// <summary>Whether the general half has been given or asked for already.</summary>
    public bool HasGeneral => _general is not null;

    /// <summary>Tokens that are missing yet, whether kept by an earlier process or to be written.</summary>
    public int Unwritten => (HasGeneral ? 0 : GeneralTokens) + Math.Max(0, (Tokens / 2) - Traffic.TokenCount);

    private PruneRequest Request => context.Request;

    private int GeneralTokens => Math.Max(Tokens - Math.Max(Traffic.TokenCount, Tokens / 2), OwnText.Tokens);

    private CalibrationSet Traffic => traffic.Healing ?? traffic.Calibration;

    /// <summary>Of both halves together.</summary>
    public int Tokens => Request.HealingTokensFor(traffic.Calibration.TokenCount);

    /// <summary>The general half: a file's, or the model's own.</summary>
    /// <param name="progress">Tokens written and wanted; not called where nothing has to be written.</param>
    public CalibrationSet General(Action<int, int> progress, CancellationToken cancellationToken) =>
        _general ??= new CalibrationSet("general", OwnText.Written(context, full, "general-text.json", GeneralTokens, Request.Seed, progress, cancellationToken));

    /// <summary>
    /// The other half: recorded traffic. Where there is less than that, the model goes on with recorded conversations of its own; where none has a question to go on with (plain prompts), it writes more
    /// general text, unless that was given.
    /// </summary>
    /// <param name="progress">As for <see cref="General"/>.</param>
    public CalibrationSet Recorded(Action<int, int> progress, CancellationToken cancellationToken)
    {
        var (recorded, missing) = (Traffic, (Tokens / 2) - Traffic.TokenCount);
        if (missing < OwnText.Tokens) return recorded;
        var texts = KeptTexts.ReadOrMake(
            Path.Combine(Request.WorkFolder, "regrown-text.json"), string.Create(CultureInfo.InvariantCulture, $"{full.Sha256} {missing} {Request.Seed} {recorded.TokenCount}"), missing,
            told => RegrownText.Make(full.Model, recorded, missing, Request.MaxSequenceTokens, Request.Seed, context.Threads, told, cancellationToken), progress);
        if (texts.IsEmpty && traffic.General is null) texts = OwnText.Written(context, full, "more-general-text.json", missing, unchecked(Request.Seed + RestSeed), progress, cancellationToken);
        return recorded with { Sequences = [.. recorded.Sequences, .. texts] };
    }
}
