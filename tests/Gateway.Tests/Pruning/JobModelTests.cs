using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Pruning;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Tests.Pruning;

public class JobModelTests
{
    private static readonly JobModel Job = new()
    {
        Id = "job-1", Number = 1, Model = "m", Version = "lean-1", State = JobState.Running, Order = new PruneOrder { Budget = new PruneBudget { Fraction = 0.1 } }, CreatedAt = DateTimeOffset.UnixEpoch,
    };

    [Fact]
    public void Steps_that_were_heard_are_kept_in_order_and_progress_between_them_is_none()
    {
        var job = Job.Heard(Step(null, 0, 1)).Heard(Step("attn:1", 100, 2)).Heard(Step(null, 100, 3)).Heard(Step("ffn:2/slice0", 150, 4));
        Assert.Equal([("attn:1", 100L, 2), ("ffn:2/slice0", 150L, 4)], job.Steps.Select(step => (step.Removed, step.BytesRemoved, step.ElapsedSeconds)));
        Assert.Equal(4, job.Progress!.ElapsedSeconds);
        Assert.Equal(Job, job.Silent());
    }

    [Fact]
    public void A_worker_that_began_again_tells_its_steps_anew()
    {
        var job = Job.Heard(Step("attn:1", 100, 2)).Heard(Step("attn:2", 200, 3)).Heard(Step("attn:1", 100, 9));
        Assert.Equal([("attn:1", 9)], job.Steps.Select(step => (step.Removed, step.ElapsedSeconds)));
    }

    /// <summary>The settings may change while a job waits or runs, and other machines have others: its scores are of one device.</summary>
    [Theory]
    [InlineData(null, 5)]
    [InlineData(0, 0)]
    [InlineData(-1, -1)]
    public void What_the_settings_decide_is_settled_with_the_order(int? ordered, int settled)
    {
        var jobs = new JobsConfig { Threads = 1, GpuLayers = 5, Yield = true, MaxAttempts = 1, MinConversations = 2, MaxConversations = 2 };
        var order = (Job.Order with { GpuLayers = ordered }).Settled(jobs);
        Assert.Equal(settled, order.GpuLayers);
        Assert.Equal(settled, order.Settled(jobs with { GpuLayers = 7 }).GpuLayers);
    }

    private static PruneProgress Step(string? removed, long bytes, double seconds) => new(PrunePhase.Search, 1, 4, removed, 0.1, bytes, 5, seconds, null);
}
