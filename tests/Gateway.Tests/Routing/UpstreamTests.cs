using FinerCut.Gateway.Routing;

namespace FinerCut.Tests.Routing;

public class UpstreamTests
{
    [Fact]
    public async Task Nobody_is_inside_once_it_is_drained()
    {
        for (var round = 0; round < 50; round++)
        {
            using var upstream = new Upstream("u", "m", "v", "http://x", null);
            using var start = new Barrier(5);
            var after = 0;
            var clients = Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
            {
                start.SignalAndWait();
                while (upstream.TryEnter())
                {
                    if (upstream.Drained.IsCompleted) Interlocked.Increment(ref after);
                    upstream.Leave();
                }
            })).ToArray();
            start.SignalAndWait();
            upstream.Close();
            await Task.WhenAll(clients).WaitAsync(TimeSpan.FromMinutes(2));
            await upstream.Drained.WaitAsync(TimeSpan.FromMinutes(2));
            Assert.Equal(0, after);
            Assert.Equal(0, upstream.InFlight);
            Assert.False(upstream.TryEnter());
        }
    }

    [Fact]
    public void It_is_drained_when_the_last_one_leaves()
    {
        using var upstream = new Upstream("u", "m", "v", "http://x", null);
        Assert.True(upstream.TryEnter());
        Assert.True(upstream.TryEnter());
        upstream.Close();
        upstream.Close();
        upstream.Leave();
        Assert.False(upstream.Drained.IsCompleted);
        Assert.Equal(1, upstream.InFlight);
        upstream.Leave();
        Assert.True(upstream.Drained.IsCompleted);
    }
}
