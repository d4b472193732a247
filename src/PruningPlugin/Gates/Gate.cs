using System.Collections.Immutable;
using FinerCut.Jobs;

namespace FinerCut.Pruning.Gates;

/// <summary>What was found on one held-out conversation, full model against lean.</summary>
/// <param name="Positions">Positions compared.</param>
/// <param name="KlSum">Sum of KL(full‖lean), nats.</param>
/// <param name="Agreements">Positions with the same most likely next token.</param>
/// <param name="AnswerTokens">Recorded answer tokens.</param>
/// <param name="AnswerNllIncrease">Sum over them of the lean model's negative log-likelihood less the full model's, nats.</param>
public sealed record ConversationFigures(int Positions, double KlSum, int Agreements, int AnswerTokens, double AnswerNllIncrease);

/// <summary>What was found on text in general and in continuations, full model against lean.</summary>
/// <param name="General">For each text: sum of the lean model's negative log-likelihoods less the full model's, nats, and its tokens.</param>
/// <param name="CommonPrefixes">For each held-out prompt: tokens that both models' most likely continuations begin with alike.</param>
public sealed record GenerationFigures(ImmutableArray<(double Sum, int Tokens)> General, ImmutableArray<int> CommonPrefixes);

/// <summary>A file that cannot be what it is expected to be to the last bit, and how far it is from that.</summary>
/// <param name="Check">What is checked: <see cref="Gate.HealedFileKl"/> or <see cref="Gate.MaskedFileKl"/>.</param>
/// <param name="Kl">Mean KL in nats a token.</param>
public readonly record struct FileKl(string Check, double Kl);

/// <summary>The verdict on a lean model: each figure's unfavourable end must keep its limit. Pure; same input, same verdict.</summary>
public static class Gate
{
    public const string MeanKl = "mean_kl";
    public const string Top1Agreement = "top1_agreement";
    public const string AnswerNllIncrease = "answer_nll_increase";
    public const string MaskedFileDifference = "masked_file_difference";
    public const string GeneralNllIncrease = "general_nll_increase";
    public const string CommonPrefix = "common_prefix";
    /// <summary>Of a healed file from its simulation.</summary>
    public const string HealedFileKl = "healed_file_kl";

    /// <summary>Of a file from the masked model on a GPU.</summary>
    public const string MaskedFileKl = "masked_file_kl";

    /// <summary>
    /// Mean KL of either that passes: last bits that differ grow by 8-bit activations, or where they choose other experts, to some thousandths of a nat
    /// (docs/pruning.md); a tensor in the wrong place makes whole nats.
    /// </summary>
    public const double MaxFileKl = 0.02;

    /// <param name="maskedFileMaxDifference">Largest difference of a logit between the masked full model and the written file.</param>
    /// <param name="maxDifference">Largest that passes, on a CPU: 0 where nothing is reordered.</param>
    /// <param name="generation">Figures of generated text; null where it was not looked at, and then not judged.</param>
    /// <param name="fileKl">Judged instead of the largest difference, of a healed file and on a GPU.</param>
    public static GateReport Judge(
        IReadOnlyList<ConversationFigures> conversations,
        GateThresholds thresholds,
        int seed,
        double maskedFileMaxDifference,
        double maxDifference,
        FileKl? fileKl = null,
        GenerationFigures? generation = null)
    {
        ArgumentNullException.ThrowIfNull(conversations);
        ArgumentNullException.ThrowIfNull(thresholds);
        Estimate Estimated(Func<ConversationFigures, (double, int)> figure) =>
            Bootstrap.Mean([.. conversations.Select(figure)], thresholds.Confidence, seed);

        var kl = Estimated(conversation => (conversation.KlSum, conversation.Positions));
        var top1 = Estimated(conversation => (conversation.Agreements, conversation.Positions));
        var nll = Estimated(conversation => (conversation.AnswerNllIncrease, conversation.AnswerTokens));
        var difference = new Estimate(maskedFileMaxDifference, maskedFileMaxDifference, maskedFileMaxDifference);

        // Written so that NaN, which compares with nothing, is refused.
        var file = fileKl is var (check, away)
            ? new GateCheck(check, new Estimate(away, away, away), MaxFileKl, away <= MaxFileKl)
            : new GateCheck(MaskedFileDifference, difference, maxDifference, maskedFileMaxDifference <= maxDifference);
        ImmutableArray<GateCheck> checks =
        [
            new(MeanKl, kl, thresholds.MaxMeanKl, kl.High <= thresholds.MaxMeanKl),
            new(Top1Agreement, top1, thresholds.MinTop1Agreement, top1.Low >= thresholds.MinTop1Agreement),
            new(AnswerNllIncrease, nll, thresholds.MaxAnswerNllIncrease, nll.High <= thresholds.MaxAnswerNllIncrease),
            .. OfGeneration(generation, thresholds, seed),
            file,
        ];
        return new GateReport(
            checks.All(check => check.Passed), checks, conversations.Count, conversations.Sum(conversation => conversation.Positions), maskedFileMaxDifference);
    }

    private static IEnumerable<GateCheck> OfGeneration(GenerationFigures? generation, GateThresholds thresholds, int seed)
    {
        if (generation is null) yield break;
        var general = Bootstrap.Mean(generation.General, thresholds.Confidence, seed);
        yield return new(GeneralNllIncrease, general, thresholds.MaxGeneralNllIncrease, general.High <= thresholds.MaxGeneralNllIncrease);
        var prefix = Bootstrap.Mean([.. generation.CommonPrefixes.Select(length => ((double)length, 1))], thresholds.Confidence, seed);
        yield return new(CommonPrefix, prefix, thresholds.MinCommonPrefix, prefix.Low >= thresholds.MinCommonPrefix);
    }
}
