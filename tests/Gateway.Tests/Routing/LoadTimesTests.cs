using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Workers;

namespace FinerCut.Tests.Routing;

public class LoadTimesTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Took = TimeSpan.FromSeconds(40);
    private readonly LoadTimes _loads = new();

    [Fact]
    public void A_model_that_is_loaded_again_is_expected_after_as_long_as_the_last_time()
    {
        Assert.Null(Saw(WorkerState.Starting, Start));
        Saw(WorkerState.Ready, Start + Took, took: Took);
        var again = Start + TimeSpan.FromHours(1);
        Assert.Equal(again + Took, Saw(WorkerState.Starting, again));
        // Its socket listens: that is no new beginning.
        Assert.Equal(again + Took, Saw(WorkerState.Loading, again + TimeSpan.FromSeconds(1)));
        // Another version of the model is as large, about.
        Assert.Equal(again + Took, Saw(WorkerState.Starting, again, version: "lean-1"));
    }

    [Fact]
    public void A_worker_that_died_loads_from_its_next_start_on()
    {
        var next = Start + TimeSpan.FromMinutes(1);
        Assert.Equal(next, Saw(WorkerState.BackingOff, Start, retryAt: next));
        Saw(WorkerState.Ready, Start, took: Took);
        Assert.Equal(next + Took, Saw(WorkerState.BackingOff, Start, retryAt: next));
    }

    private DateTimeOffset? Saw(WorkerState state, DateTimeOffset since, TimeSpan? took = null, DateTimeOffset? retryAt = null, string version = "full")
    {
        var worker = new WorkerModel(new WorkerSpec("m", version, "/f", 1, 1, 1), state, since) { LoadTime = took, RetryAt = retryAt };
        _loads.Saw(worker);
        return _loads.ReadyAt(worker);
    }
}
