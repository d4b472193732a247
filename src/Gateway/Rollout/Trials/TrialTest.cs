using System.Globalization;

namespace FinerCut.Gateway.Rollout.Trials;

/// <summary>
/// The sequential test of a canary. Pure; may be asked after every request, since its bounds hold at all times (<see cref="BoundedMean"/>).
/// <para>
/// Five means are bounded, each at α/5 for α = 1 − confidence, so that with probability 1 − α all bounds hold at all times: both versions' failure
/// rates, both versions' shares of slow answers, and the agreement of shadowed answers. With U and L for a bound's ends, c the canary, a the active:
/// roll back where L(c) − U(a) exceeds the allowed increase of either rate, or the agreement's U is below its minimum: the canary is worse, for sure.
/// Promote where U(c) − L(a) is within the allowed increase of both, and the agreement's L at or above its minimum: it is not, for sure. Whichever
/// comes first; a good version is rolled back, or a bad one promoted, with probability at most α in all.
/// </para>
/// <para>
/// Latency has no bounded mean, so it is judged by the share of answers slower than a limit that was fixed before: a multiple of the active
/// version's median over the first answers of the trial, which are then left out of the test. Assumed is that requests are dealt to the versions
/// independently of how they will fare; they are, by a hash. Requests of one conversation go together, so that their outcomes may be alike: where
/// few conversations make most of the traffic, less is known than the count says.
/// </para>
/// </summary>
public static class TrialTest
{
    private const int Statements = 5;

    public static TrialVerdict Judge(RolloutConfig config, VersionState stage, TrialEvidence evidence)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(evidence);
        var alpha = Alpha(config);
        var agreement = evidence.Agreement.Bounds(alpha);
        if (config.MinAgreement > 0 && agreement.High < config.MinAgreement)
        {
            return new(TrialStep.RollBack, Text($"The answers diverge: agreement {evidence.Agreement.Mean:0.###} of {evidence.Agreement.Count} is below {config.MinAgreement:0.###} (at most {agreement.High:0.###})."));
        }

        if (stage == VersionState.Shadowing)
        {
            return evidence.Agreement.Count >= config.ShadowSamples && (config.MinAgreement <= 0 || agreement.Low >= config.MinAgreement || evidence.Agreement.Count >= 10L * config.ShadowSamples)
                ? new(TrialStep.BeginCanary, Text($"{evidence.Agreement.Count} shadowed answers were compared: agreement {evidence.Agreement.Mean:0.###} ({agreement.Low:0.###} to {agreement.High:0.###})."))
                : TrialVerdict.Continue;
        }

        var failures = Increase(evidence.Canary.Failures, evidence.Active.Failures, alpha);
        if (failures.Low > config.MaxErrorRateIncrease) return new(TrialStep.RollBack, Words("fails more often", evidence.Canary.Failures, evidence.Active.Failures, failures, config.MaxErrorRateIncrease));
        var slow = Increase(evidence.Canary.Slow, evidence.Active.Slow, alpha);
        if (slow.Low > config.MaxSlowShareIncrease) return new(TrialStep.RollBack, Words("is slow more often", evidence.Canary.Slow, evidence.Active.Slow, slow, config.MaxSlowShareIncrease));
        var enough = stage == VersionState.Canary && evidence.Canary.Failures.Count >= config.MinRequests
            && failures.High <= config.MaxErrorRateIncrease && slow.High <= config.MaxSlowShareIncrease
            && (config.MinAgreement <= 0 || config.ShadowShare <= 0 || agreement.Low >= config.MinAgreement);
        return !enough ? TrialVerdict.Continue
            : new(TrialStep.Promote, "The canary is not worse. It " + Words("fails more often", evidence.Canary.Failures, evidence.Active.Failures, failures, config.MaxErrorRateIncrease)
                + " It " + Words("is slow more often", evidence.Canary.Slow, evidence.Active.Slow, slow, config.MaxSlowShareIncrease));
    }

    /// <summary>Of one bound.</summary>
    public static double Alpha(RolloutConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return (1 - config.Confidence) / Statements;
    }

    /// <summary>Bounds of how much higher the canary's mean is than the active version's.</summary>
    public static (double Low, double High) Increase(BoundedMean canary, BoundedMean active, double alpha)
    {
        var (canaryLow, canaryHigh) = canary.Bounds(alpha);
        var (activeLow, activeHigh) = active.Bounds(alpha);
        return (canaryLow - activeHigh, canaryHigh - activeLow);
    }

    private static string Words(string what, BoundedMean canary, BoundedMean active, (double Low, double High) increase, double limit) =>
        Text($"{what} by {increase.Low:+0.###;-0.###;0} to {increase.High:+0.###;-0.###;0} (canary {canary.Mean:0.####} of {canary.Count}, active {active.Mean:0.####} of {active.Count}; allowed {limit:+0.###}).");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
