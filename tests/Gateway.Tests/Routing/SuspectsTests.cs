using FinerCut.Gateway.Routing;
using Microsoft.Extensions.Time.Testing;

namespace FinerCut.Tests.Routing;

public class SuspectsTests
{
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public async Task A_turn_that_does_not_come_is_waited_for_ten_seconds_of_the_clock()
    {
        var suspects = new Suspects(_clock);
        using var held = await suspects.TakeTurnAsync("m", TestContext.Current.CancellationToken);
        Assert.NotNull(held);
        var waiting = suspects.TakeTurnAsync("m", TestContext.Current.CancellationToken);
        _clock.Advance(TimeSpan.FromSeconds(9.9));
        Assert.False(waiting.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Null(await waiting.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken));

        held.Dispose();
        using var next = await suspects.TakeTurnAsync("m", TestContext.Current.CancellationToken);
        Assert.NotNull(next);
    }

    [Fact]
    public async Task Who_goes_away_while_waiting_ends_the_wait()
    {
        var suspects = new Suspects(_clock);
        using var held = await suspects.TakeTurnAsync("m", TestContext.Current.CancellationToken);
        using var gone = new CancellationTokenSource();
        var waiting = suspects.TakeTurnAsync("m", gone.Token);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }
}
