using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Rollout.Trials;

namespace FinerCut.Tests.Rollout.Trials;

public class TrialTestTests(ITestOutputHelper output)
{
    private static readonly RolloutConfig Config = new() { Mode = RolloutMode.Canary };

    /// <summary>Wrong verdicts over whole trials, looked at after every request, are rarer than the confidence allows; right ones come in time.</summary>
    [Theory]
    [InlineData(0.01, 0.01, TrialStep.Promote)]
    [InlineData(0.01, 0.25, TrialStep.RollBack)]
    [InlineData(0.0, 0.12, TrialStep.RollBack)]
    public void Verdicts_are_right_and_come(double active, double canary, TrialStep right)
    {
        const int Runs = 40;
        var random = new Random(11);
        var wrong = 0;
        var lengths = new List<long>();
        for (var run = 0; run < Runs; run++)
        {
            var evidence = TrialEvidence.None;
            var verdict = TrialVerdict.Continue;
            while (verdict.Step == TrialStep.Continue && evidence.Canary.Failures.Count < 3000)
            {
                for (var i = 0; i < 9; i++) evidence = evidence with { Active = Saw(evidence.Active, active, 0.1) };
                evidence = evidence with { Canary = Saw(evidence.Canary, canary, 0.1) };
                verdict = TrialTest.Judge(Config, VersionState.Canary, evidence);
            }

            Assert.NotEqual(TrialStep.Continue, verdict.Step);
            if (verdict.Step != right) wrong++;
            lengths.Add(evidence.Canary.Failures.Count);
        }

        lengths.Sort();
        output.WriteLine($"{active} against {canary}: {wrong} of {Runs} wrong, median {lengths[Runs / 2]} canary requests");
        Assert.InRange(wrong, 0, 2);

        TrialArm Saw(TrialArm arm, double failures, double slow) =>
            new(arm.Failures.Add(random.NextDouble() < failures ? 1 : 0), arm.Slow.Add(random.NextDouble() < slow ? 1 : 0));
    }

    [Fact]
    public void Slowness_and_divergence_roll_back_and_nothing_promotes_what_is_held()
    {
        var good = new TrialArm(new BoundedMean(2000, 0), new BoundedMean(2000, 200));
        var slow = new TrialArm(new BoundedMean(200, 0), new BoundedMean(200, 160));
        Assert.Equal(TrialStep.Promote, Judge(VersionState.Canary, good, good).Step);
        Assert.Equal(TrialStep.Continue, Judge(VersionState.Held, good, good).Step);
        Assert.Equal(TrialStep.RollBack, Judge(VersionState.Held, good, slow).Step);
        Assert.Contains("is slow more often", Judge(VersionState.Canary, good, slow).Reason, StringComparison.Ordinal);

        var strict = Config with { MinAgreement = 0.8, ShadowShare = 0.1 };
        Assert.Equal(TrialStep.RollBack, TrialTest.Judge(strict, VersionState.Canary, new TrialEvidence(good, good, new BoundedMean(300, 150), null)).Step);
        Assert.Equal(TrialStep.Promote, TrialTest.Judge(strict, VersionState.Canary, new TrialEvidence(good, good, new BoundedMean(300, 290), null)).Step);
        Assert.Equal(TrialStep.Continue, TrialTest.Judge(strict, VersionState.Canary, new TrialEvidence(good, good, default, null)).Step);
        Assert.Equal(TrialStep.BeginCanary, TrialTest.Judge(strict, VersionState.Shadowing, new TrialEvidence(good, default, new BoundedMean(300, 290), null)).Step);
        Assert.Equal(TrialStep.Continue, TrialTest.Judge(strict, VersionState.Shadowing, new TrialEvidence(good, default, new BoundedMean(10, 9), null)).Step);

        static TrialVerdict Judge(VersionState stage, TrialArm active, TrialArm canary) => TrialTest.Judge(Config, stage, new TrialEvidence(active, canary, default, TimeSpan.FromSeconds(1)));
    }

    [Theory]
    [InlineData("the cat sat", "The cat sat.", 1)]
    [InlineData("a a b", "a b b", 2 / 3.0)]
    [InlineData("one", "two", 0)]
    [InlineData("", "", 1)]
    [InlineData("", "x", 0)]
    public void Agreement_counts_shared_words(string one, string other, double expected) => Assert.Equal(expected, Agreement.Of(one, other), 9);
}
