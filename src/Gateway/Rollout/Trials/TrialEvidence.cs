namespace FinerCut.Gateway.Rollout.Trials;

/// <summary>What the requests of one version during a trial tell.</summary>
/// <param name="Failures">1 for an answer that failed, 0 for one that did not.</param>
/// <param name="Slow">1 for a first byte later than the limit, 0 for one in time; counted once the limit is known.</param>
public readonly record struct TrialArm(BoundedMean Failures, BoundedMean Slow);

/// <summary>All that a trial has seen. Immutable.</summary>
/// <param name="Agreement">Of the shadowed answers with the active version's.</param>
/// <param name="SlowLimit">A first byte later than this is slow; null until the active version's median is known.</param>
public sealed record TrialEvidence(TrialArm Active, TrialArm Canary, BoundedMean Agreement, TimeSpan? SlowLimit)
{
    public static TrialEvidence None { get; } = new(default, default, default, null);
}

public enum TrialStep
{
    /// <summary>Nothing can be said yet.</summary>
    Continue,

    /// <summary>Shadowed enough: requests of its own now.</summary>
    BeginCanary,
    Promote,
    RollBack,
}

/// <param name="Reason">With the figures that it rests on; null for <see cref="TrialStep.Continue"/>.</param>
public sealed record TrialVerdict(TrialStep Step, string? Reason)
{
    public static TrialVerdict Continue { get; } = new(TrialStep.Continue, null);
}
