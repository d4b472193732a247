using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Workers;

namespace FinerCut.Tests.Workers;

public class WorkerTransitionsTests
{
    private static readonly RestartConfig Restart = new(
        TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5), BreakerDeaths: 5, TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(30));

    private static readonly DateTimeOffset Start = DateTimeOffset.UnixEpoch;

    [Fact]
    public void Each_death_doubles_the_wait_until_the_breaker_opens()
    {
        var worker = Fresh();
        var waits = new List<(WorkerState State, double Seconds)>();
        var now = Start;
        for (var i = 0; i < 6; i++)
        {
            worker = WorkerTransitions.Died(worker, "x", now, Restart);
            waits.Add((worker.State, (worker.RetryAt!.Value - now).TotalSeconds));
            now = worker.RetryAt.Value;
        }

        // The sixth is the trial after the pause: it breaks again at once.
        Assert.Equal(
            [(WorkerState.BackingOff, 1), (WorkerState.BackingOff, 2), (WorkerState.BackingOff, 4), (WorkerState.BackingOff, 5), (WorkerState.Broken, 30), (WorkerState.Broken, 30)],
            waits);
    }

    [Fact]
    public void Deaths_that_are_far_apart_are_forgotten()
    {
        var worker = Fresh();
        for (var i = 0; i < 20; i++)
        {
            worker = WorkerTransitions.Died(worker, "x", Start.AddSeconds(i * 61), Restart);
            Assert.Equal(WorkerState.BackingOff, worker.State);
            Assert.Single(worker.Deaths);
        }
    }

    [Fact]
    public void Nothing_follows_the_end()
    {
        foreach (var state in Enum.GetValues<WorkerState>())
        {
            Assert.False(WorkerTransitions.Allows(WorkerState.Stopped, state));
            Assert.False(WorkerTransitions.Allows(WorkerState.Failed, state));
            Assert.Equal(state == WorkerState.Stopped, WorkerTransitions.Allows(WorkerState.Stopping, state));
        }
    }

    [Fact]
    public void A_workers_key_is_in_no_text() => Assert.DoesNotContain("secret", (Fresh() with { Address = new WorkerAddress("http://x", "secret") }).ToString(), StringComparison.Ordinal);

    private static WorkerModel Fresh() => new(new WorkerSpec("m", "v", "/f", 1, 1, 1), WorkerState.Ready, Start);
}
