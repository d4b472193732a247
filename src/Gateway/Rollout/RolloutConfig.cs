using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Routing;

namespace FinerCut.Gateway.Rollout;

public enum RolloutMode
{
    /// <summary>A version that a job made and the gate passed becomes active at once.</summary>
    Direct,

    /// <summary>It is tried on a share of the requests first.</summary>
    Canary,
}

/// <summary>How a model's new versions come to serve. Immutable.</summary>
public sealed record RolloutConfig
{
    public RolloutMode Mode { get; init; } = RolloutMode.Direct;

    /// <summary>Share of the requests (or conversations, or keys) that a canary answers at first, 0 to 1.</summary>
    public double CanaryWeight { get; init; } = 0.1;

    public StickyBy Sticky { get; init; } = StickyBy.Conversation;

    /// <summary>Share of the requests answered by the active version that are copied to the one on trial, 0 to 1; 0: none.</summary>
    public double ShadowShare { get; init; }

    /// <summary>Comparisons before a shadowed version gets requests of its own.</summary>
    public int ShadowSamples { get; init; } = 20;

    /// <summary>Mean agreement of answers (0 to 1) below which a version has diverged; 0: measured only.</summary>
    public double MinAgreement { get; init; }

    /// <summary>How much more often than the active version's a canary's answers may fail.</summary>
    public double MaxErrorRateIncrease { get; init; } = 0.05;

    /// <summary>A first byte that takes more than this many times the active version's median is slow.</summary>
    public double MaxLatencyRatio { get; init; } = 1.5;

    /// <summary>How much more often than the active version's a canary's answers may be slow.</summary>
    public double MaxSlowShareIncrease { get; init; } = 0.2;

    /// <summary>Of all statements of the test together, at whatever time they are made.</summary>
    public double Confidence { get; init; } = 0.95;

    /// <summary>Requests of the canary before it may be promoted.</summary>
    public int MinRequests { get; init; } = 100;

    /// <summary>A trial that is undecided after this is held, for a hand to decide.</summary>
    public TimeSpan Longest { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Files of versions that are not in use, the newest; older ones are removed.</summary>
    public int KeepVersions { get; init; } = 8;

    /// <summary>A timer takes at most 2³² − 2 ms.</summary>
    private const int MostTimerSeconds = 49 * 86400;

    internal static RolloutConfig Read(SectionReader section)
    {
        var plain = new RolloutConfig();
        return new RolloutConfig
        {
            Mode = section.Word("Mode", plain.Mode),
            CanaryWeight = section.Number("CanaryWeight", plain.CanaryWeight, 0, 1),
            Sticky = section.Word("Sticky", plain.Sticky),
            ShadowShare = section.Number("ShadowShare", plain.ShadowShare, 0, 1),
            ShadowSamples = section.Integer("ShadowSamples", plain.ShadowSamples, 0, 1_000_000),
            MinAgreement = section.Number("MinAgreement", plain.MinAgreement, 0, 1),
            MaxErrorRateIncrease = section.Number("MaxErrorRateIncrease", plain.MaxErrorRateIncrease, 0.001, 1),
            MaxLatencyRatio = section.Number("MaxLatencyRatio", plain.MaxLatencyRatio, 1, 1000),
            MaxSlowShareIncrease = section.Number("MaxSlowShareIncrease", plain.MaxSlowShareIncrease, 0.001, 1),
            Confidence = section.Number("Confidence", plain.Confidence, 0.5, 0.9999),
            MinRequests = section.Integer("MinRequests", plain.MinRequests, 1, 10_000_000),
            Longest = section.Seconds("LongestSeconds", plain.Longest.TotalSeconds, 1, MostTimerSeconds),
            KeepVersions = section.Integer("KeepVersions", plain.KeepVersions, 1, 10_000),
        };
    }
}
