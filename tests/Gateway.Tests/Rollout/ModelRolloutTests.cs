using CsCheck;
using FinerCut.Gateway.Rollout;

namespace FinerCut.Tests.Rollout;

/// <summary>The transition table against a model: whatever happens in whatever order, the rules of a rollout hold.</summary>
public class ModelRolloutTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UnixEpoch;

    private static readonly VersionState?[] Proven = [VersionState.Staged, VersionState.Shadowing, VersionState.Canary, VersionState.Held];

    private static readonly VersionState?[] InUse =
        [VersionState.Staging, VersionState.Staged, VersionState.Shadowing, VersionState.Canary, VersionState.Held, VersionState.Active, VersionState.Draining, VersionState.RollingBack];

    private enum Act { Event, Promote, RollBack, Restart, Register, RegisterRefused, Shadow, Canary }

    [Fact]
    public void Any_sequence_of_events_keeps_the_rules()
    {
        var step = Gen.Select(Gen.Enum<Act>(), Gen.Int[0, 4], Gen.Enum<VersionEvent>());
        step.List[1, 60].Sample(steps =>
        {
            var rollout = Version(ModelRollout.Empty("m"), "v0", VersionState.Registered).Next;
            var history = new List<VersionTransition>();
            foreach (var (act, number, happened) in steps)
            {
                var change = Apply(rollout, act, "v" + number, happened);
                if (change is null) continue;
                Check(rollout, change);
                history.AddRange(change.Transitions);
                rollout = change.Next;
            }

            // History alone tells the state: what an admin reads is what is.
            foreach (var version in rollout.Versions.Values.Where(version => history.Any(row => row.VersionId == version.Id)))
            {
                Assert.Equal(version.State, history.Last(row => row.VersionId == version.Id).State);
            }
        });
    }

    [Fact]
    public void A_rollback_leads_back_along_the_promotions()
    {
        var rollout = Version(ModelRollout.Empty("m"), "full", VersionState.Registered).Next;
        rollout = Staged(Version(rollout, "lean-1", VersionState.Registered).Next, "lean-1").Promote("lean-1", false, null, Now)!.Next;
        rollout = Staged(Version(rollout, "lean-2", VersionState.Registered).Next, "lean-2").Promote("lean-2", false, null, Now)!.Next;
        Assert.Equal("lean-1", rollout.Active!.Replaced);
        rollout = Staged(rollout, "lean-1").Promote("lean-1", isRollback: true, null, Now)!.Next;
        Assert.Equal(VersionState.RollingBack, rollout.Versions["lean-2"].State);
        Assert.Equal("full", rollout.Active!.Replaced);
    }

    [Fact]
    public void What_was_never_staged_is_not_promoted()
    {
        var rollout = Version(Version(ModelRollout.Empty("m"), "full", VersionState.Registered).Next, "lean-1", VersionState.Registered).Next;
        Assert.Null(rollout.Promote("lean-1", false, null, Now));
        Assert.Null(rollout.Promote("full", false, null, Now));
        Assert.Null(rollout.Promote("absent", false, null, Now));
    }

    [Fact]
    public void Refused_is_the_end()
    {
        foreach (var happened in Enum.GetValues<VersionEvent>()) Assert.Null(VersionTransitions.Next(VersionState.Refused, happened));
    }

    private static RolloutChange Version(ModelRollout rollout, string id, VersionState state) =>
        rollout.Register(new VersionModel(id, state, "/" + id, 1, null, Now), null, Now);

    private static ModelRollout Staged(ModelRollout rollout, string id) =>
        rollout.Apply(id, VersionEvent.StageAsked, null, Now)!.Next.Apply(id, VersionEvent.ProbePassed, null, Now)!.Next;

    private static RolloutChange? Apply(ModelRollout rollout, Act act, string id, VersionEvent happened) => act switch
    {
        // The swap alone makes and unmakes active versions; single events of it are not offered by the owner.
        Act.Event when happened is VersionEvent.Promoted or VersionEvent.Replaced || (happened == VersionEvent.RolledBack && rollout.Active?.Id == id) => null,
        // A trial begins where none runs; one that runs goes from shadow to canary.
        Act.Event when happened is VersionEvent.ShadowBegun or VersionEvent.CanaryBegun && rollout.OnTrial?.Id != id => null,
        Act.Shadow or Act.Canary => rollout.Try(id, act == Act.Shadow, null, Now),
        Act.Event => rollout.Apply(id, happened, null, Now),
        Act.Promote => rollout.Promote(id, false, null, Now),
        Act.RollBack => rollout.Promote(id, true, null, Now),
        Act.Restart => rollout.Restart(Now),
        _ when rollout.Versions.ContainsKey(id) => null,
        Act.Register => Version(rollout, id, VersionState.Registered),
        _ => Version(rollout, id, VersionState.Refused),
    };

    private static void Check(ModelRollout before, RolloutChange change)
    {
        var after = change.Next;
        Assert.Single(after.Versions.Values, version => version.State == VersionState.Active);
        // Throws when two are on trial.
        Assert.NotEqual(VersionState.Active, after.OnTrial?.State);
        Assert.DoesNotContain(after.Superfluous(0), version => version.Id == after.Active!.Replaced || InUse.Contains(version.State));
        foreach (var transition in change.Transitions)
        {
            if (transition.Was is { } was) Assert.Equal(was, before.Versions[transition.VersionId].State);
            if (transition.State == VersionState.Active) Assert.Contains(transition.Was, Proven);
            if (transition.State is VersionState.Shadowing or VersionState.Canary) Assert.Contains(transition.Was, Proven);
            Assert.NotEqual(VersionState.Removed, transition.Was);
            if (transition.State == VersionState.Removed) Assert.DoesNotContain(transition.Was, InUse);
        }

        var told = change.Transitions.Select(transition => transition.VersionId).ToHashSet();
        foreach (var version in before.Versions.Values.Where(version => !told.Contains(version.Id))) Assert.Equal(version, after.Versions[version.Id]);
    }
}
