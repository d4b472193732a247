using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Queueing;
using Microsoft.Extensions.Time.Testing;

namespace FinerCut.Tests.Access;

public class FairQueueTests
{
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public async Task So_many_are_served_at_a_time_and_the_others_follow_in_turn()
    {
        var queue = Queue(places: 2, length: 10);
        var first = await Enter(queue, "a");
        var second = await Enter(queue, "a");
        var third = Enter(queue, "a");
        var fourth = Enter(queue, "b");
        Assert.Equal((2, 2), (queue.Serving, queue.Waiting));
        Assert.Equal(["b", "a"], queue.FlowsInOrder());
        _clock.Advance(TimeSpan.FromSeconds(2));
        first.Place!.Dispose();
        first.Place.Dispose();
        Assert.Equal((QueueFate.Admitted, TimeSpan.FromSeconds(2)), ((await fourth).Fate, (await fourth).Waited));
        Assert.False(third.IsCompleted);
        second.Place!.Dispose();
        Assert.Equal(QueueFate.Admitted, (await third).Fate);
        (await third).Place!.Dispose();
        (await fourth).Place!.Dispose();
        Assert.Equal((0, 0), (queue.Serving, queue.Waiting));
    }

    [Fact]
    public async Task Cancellation_takes_a_request_out_of_the_queue()
    {
        var queue = Queue(places: 1, length: 10);
        var served = await Enter(queue, "a");
        using var gone = new CancellationTokenSource();
        var waiting = queue.EnterAsync(Claim("b"), gone.Token).AsTask();
        var behind = Enter(queue, "c");
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Equal(1, queue.Waiting);
        served.Place!.Dispose();
        (await behind).Place!.Dispose();
        Assert.Equal(0, queue.Serving);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => queue.EnterAsync(Claim("a"), gone.Token).AsTask());
    }

    [Fact]
    public async Task Patience_has_an_end()
    {
        var queue = Queue(places: 1, length: 10);
        using var served = (await Enter(queue, "a")).Place;
        var waiting = Enter(queue, "b");
        _clock.Advance(TimeSpan.FromSeconds(30));
        var outcome = await waiting;
        Assert.Equal((QueueFate.TimedOut, TimeSpan.FromSeconds(30)), (outcome.Fate, outcome.Waited));
        Assert.True(outcome.RetryAfter > TimeSpan.Zero);
        Assert.Equal(0, queue.Waiting);
    }

    [Fact]
    public async Task Neither_all_together_nor_one_flow_may_wait_without_bound()
    {
        var queue = Queue(places: 1, length: 3, lengthOfFlow: 2);
        using var served = (await Enter(queue, "a")).Place;
        _ = Enter(queue, "a");
        _ = Enter(queue, "a");
        Assert.Equal(QueueFate.Full, (await Enter(queue, "a")).Fate);
        _ = Enter(queue, "b");
        Assert.Equal(QueueFate.Full, (await Enter(queue, "c")).Fate);
        Assert.Equal(3, queue.Waiting);
    }

    [Fact]
    public async Task A_request_of_a_higher_class_takes_the_room_of_a_lower_one()
    {
        var queue = Queue(places: 1, length: 1);
        var served = await Enter(queue, "a");
        var low = Enter(queue, "shadow", PriorityClass.Low);
        var normal = Enter(queue, "b");
        Assert.Equal(QueueFate.Displaced, (await low).Fate);
        Assert.Equal(QueueFate.Full, (await Enter(queue, "shadow", PriorityClass.Low)).Fate);
        served.Place!.Dispose();
        Assert.Equal(QueueFate.Admitted, (await normal).Fate);
    }

    [Fact]
    public async Task More_places_call_those_who_wait()
    {
        var queue = Queue(places: 1, length: 10);
        using var served = (await Enter(queue, "a")).Place;
        var waiting = Enter(queue, "b");
        queue.Reconfigure(new QueueConfig(2, 10, 10, TimeSpan.FromSeconds(30)));
        Assert.Equal(QueueFate.Admitted, (await waiting).Fate);
    }

    /// <summary>Services of 4 s on two places, then a full queue: whoever comes again at nine tenths of the wait is refused, after eleven tenths admitted.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task RetryAfter_is_true_within_a_tenth(int othersToldBefore)
    {
        var queue = Queue(places: 2, length: 4);
        var serving = new Queue<IDisposable>();
        for (var i = 0; i < 20; i++)
        {
            // Begun two seconds apart, so that one ends every two seconds.
            serving.Enqueue((await Enter(queue, "warm")).Place!);
            _clock.Advance(TimeSpan.FromSeconds(2));
            if (serving.Count == 2) serving.Dequeue().Dispose();
        }

        serving.Enqueue((await Enter(queue, "warm")).Place!);
        var waiting = new Queue<Task<QueueOutcome>>(Enumerable.Range(0, 4).Select(i => Enter(queue, $"key{i}")));
        for (var i = 0; i < othersToldBefore; i++) Assert.Equal(QueueFate.Full, (await Enter(queue, $"other{i}")).Fate);
        var told = await Enter(queue, "late");
        Assert.Equal(QueueFate.Full, told.Fate);

        // The world goes on: one ends every two seconds, who was told to come again comes, and one of those who wait is called.
        var came = TimeSpan.Zero;
        var others = 0;
        var elapsed = TimeSpan.Zero;
        while (true)
        {
            elapsed += TimeSpan.FromSeconds(0.1);
            _clock.Advance(TimeSpan.FromSeconds(0.1));
            if (elapsed.TotalSeconds % 2 is < 0.05 or > 1.95)
            {
                serving.Dequeue().Dispose();
                serving.Enqueue((await waiting.Dequeue()).Place!);
                if (others < othersToldBefore) waiting.Enqueue(Enter(queue, $"other{others++}"));
            }

            var again = Enter(queue, "late");
            if (!again.IsCompleted)
            {
                came = elapsed;
                break;
            }

            Assert.True(elapsed < TimeSpan.FromMinutes(1));
        }

        Assert.InRange(told.RetryAfter / came, 0.9, 1.1);
    }

    [Fact]
    public async Task Hundreds_of_clients_leave_nothing_behind()
    {
        var queue = new FairQueue(new QueueConfig(3, 50, 20, TimeSpan.FromSeconds(20)), TimeProvider.System);
        var most = 0;
        var running = 0;
        var fates = await Task.WhenAll(Enumerable.Range(0, 400).Select(client => Task.Run(async () =>
        {
            using var gone = new CancellationTokenSource();
            var entering = queue.EnterAsync(Claim($"k{client % 7}", (PriorityClass)(client % 3)), gone.Token).AsTask();
            if (client % 5 == 0) await gone.CancelAsync();
            try
            {
                var outcome = await entering;
                if (outcome.Place is null) return outcome.Fate.ToString();
                var now = Interlocked.Increment(ref running);
                for (var seen = most; now > seen; seen = most) Interlocked.CompareExchange(ref most, now, seen);
                await Task.Yield();
                Interlocked.Decrement(ref running);
                outcome.Place.Dispose();
                return outcome.Fate.ToString();
            }
            catch (OperationCanceledException)
            {
                return "gone";
            }
        })));
        Assert.InRange(most, 1, 3);
        Assert.Equal((0, 0), (queue.Serving, queue.Waiting));
        Assert.Contains("Admitted", fates);
    }

    private static QueueClaim Claim(string flow, PriorityClass priority = PriorityClass.Normal) => new(flow, priority, 1, 1);

    private static Task<QueueOutcome> Enter(FairQueue queue, string flow, PriorityClass priority = PriorityClass.Normal) =>
        queue.EnterAsync(Claim(flow, priority), CancellationToken.None).AsTask();

    private FairQueue Queue(int places, int length, int lengthOfFlow = 10) => new(new QueueConfig(places, length, lengthOfFlow, TimeSpan.FromSeconds(30)), _clock);
}
