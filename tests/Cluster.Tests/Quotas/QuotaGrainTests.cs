using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Quotas;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Quotas;
using FinerCut.Tests.Processes;

namespace FinerCut.Tests.Cluster.Quotas;

/// <summary>One key's counts, used through the edges of two machines at once.</summary>
public sealed class QuotaGrainTests : IAsyncLifetime
{
    private readonly List<SlicedQuotas> _edges = [];
    private TestSilos _silos = null!;

    public async ValueTask InitializeAsync() => _silos = await TestSilos.StartAsync(2);

    public async ValueTask DisposeAsync()
    {
        foreach (var edge in _edges) await edge.DisposeAsync();
        await _silos.DisposeAsync();
    }

    [Theory]
    [InlineData(37, null, null, null, 37)]
    [InlineData(null, 1000, null, null, 100)]
    [InlineData(null, null, 9, null, 9)]
    [InlineData(null, null, null, 555, 55)]
    public async Task No_more_and_no_less_than_the_limit_is_let_in_through_both_edges(int? requests, int? tokens, int? concurrency, int? daily, int expected)
    {
        var limits = new KeyLimits(requests, tokens, concurrency, daily);
        var edges = new[] { Edge(0, "a"), Edge(1, "b") };
        var admitted = 0;
        // Many more than the limit, from both sides at once, and again: what one edge leased must not be missing at the other.
        for (var round = 0; round < 3; round++)
        {
            var decisions = await Task.WhenAll(Enumerable.Range(0, 120).Select(i => edges[i % 2].ReserveAsync("key", limits, 10)));
            admitted += decisions.Count(decision => decision.Ticket is not null);
        }

        Assert.Equal(expected, admitted);
        var state = await edges[1].ReadAsync("key", CancellationToken.None);
        Assert.Equal(expected, state.Running.Length);
        Assert.Equal(expected * 10L, state.Tokens.Sum(NowMs));
    }

    [Fact]
    public async Task Most_of_a_busy_keys_requests_need_no_call_and_leave_exact_counts()
    {
        var (one, two) = (Edge(0, "a"), Edge(1, "b"));
        var limits = new KeyLimits(RequestsPerMinute: 100_000);
        for (var i = 0; i < 300; i++)
        {
            foreach (var edge in (SlicedQuotas[])[one, two])
            {
                var (_, ticket) = await edge.ReserveAsync("busy", limits, 5 + (i % 3));
                await edge.ChargeAsync(ticket!, 4);
                await edge.EndAsync(ticket!, finished: true);
            }
        }

        var (leased, asked) = (one.Admissions.Leased + two.Admissions.Leased, one.Admissions.Asked + two.Admissions.Asked);
        Assert.Equal(600, leased + asked);
        Assert.True(leased > 2 * asked, $"{leased} from leased places, {asked} by a call");
        var state = await one.ReadAsync("busy", CancellationToken.None);
        Assert.Equal((600L, 2400L, 0), (state.Requests.Sum(NowMs), state.Tokens.Sum(NowMs), state.Running.Length));
    }

    [Fact]
    public async Task Places_that_one_edge_holds_unused_are_the_others_when_they_are_the_last()
    {
        // A leased place is good for the second it was leased in: on a slow machine that second is over before the next request.
        var (one, two) = (Edge(0, "a", new StoppedTime()), Edge(1, "b"));
        var limits = new KeyLimits(RequestsPerMinute: 400);
        var first = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => one.ReserveAsync("shared", limits, 1)));
        var more = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => one.ReserveAsync("shared", limits, 1)));
        Assert.True(one.Admissions.Leased > 0, "nothing was leased, so nothing is proved");
        var rest = await Task.WhenAll(Enumerable.Range(0, 500).Select(_ => two.ReserveAsync("shared", limits, 1)));

        // Never more; places leased in a second that has just passed are void and count until their minute is over.
        Assert.InRange(first.Concat(more).Concat(rest).Count(decision => decision.Ticket is not null), 390, 400);
    }

    [Fact]
    public async Task Counts_outlive_the_machine_that_keeps_them()
    {
        await using var silos = await TestSilos.StartAsync(3);
        var grain = silos.Grains(0).GetGrain<IQuotaGrain>("kept");
        var limits = new KeyLimits(RequestsPerMinute: 30);
        await using (var before = new SlicedQuotas(silos.Grains(0), new QuotaOwner("a", "1"), TimeProvider.System))
        {
            for (var i = 0; i < 20; i++) await before.EndChargedAsync("kept", limits, 7);
        }

        var owner = await silos.OwnerAsync(grain);
        await silos.KillAsync(owner);
        var left = Enumerable.Range(0, silos.All.Count).First(i => silos.All[i] != owner);
        await using var after = new SlicedQuotas(silos.Grains(left), new QuotaOwner("b", "1"), TimeProvider.System);
        var admitted = 0;
        await Eventually.BeAsync(async () =>
        {
            try
            {
                return (await after.ReadAsync("kept", CancellationToken.None)).Requests.Sum(NowMs) == 20;
            }
            catch (Exception exception) when (OwnedState.IsBetweenOwners(exception))
            {
                return false;
            }
        }, seconds: 30);
        for (var i = 0; i < 30; i++)
        {
            var (_, ticket) = await after.ReserveAsync("kept", limits, 1);
            if (ticket is not null) admitted++;
        }

        Assert.Equal(10, admitted);
    }

    [Fact]
    public async Task What_a_former_process_of_the_machine_held_is_free_when_the_new_one_calls()
    {
        var limits = new KeyLimits(Concurrency: 2);
        var dead = new SlicedQuotas(_silos.Grains(0), new QuotaOwner("machine", "1"), TimeProvider.System);
        Assert.NotNull((await dead.ReserveAsync("held", limits, 1)).Ticket);
        Assert.NotNull((await dead.ReserveAsync("held", limits, 1)).Ticket);
        Assert.Null((await Edge(1, "other").ReserveAsync("held", limits, 1)).Ticket);
        Assert.NotNull((await Edge(0, "machine").ReserveAsync("held", limits, 1)).Ticket);
        await dead.DisposeAsync();
    }

    private static long NowMs => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    private SlicedQuotas Edge(int silo, string machine, TimeProvider? time = null)
    {
        var edge = new SlicedQuotas(_silos.Grains(silo), new QuotaOwner(machine, "2"), time ?? TimeProvider.System);
        _edges.Add(edge);
        return edge;
    }

    /// <summary>Timers run, the time that has passed does not.</summary>
    private sealed class StoppedTime : TimeProvider
    {
        public override long GetTimestamp() => TimestampFrequency;
    }
}

internal static class QuotaSteps
{
    public static async Task EndChargedAsync(this SlicedQuotas edge, string key, KeyLimits limits, long tokens)
    {
        var (_, ticket) = await edge.ReserveAsync(key, limits, tokens);
        await edge.ChargeAsync(ticket!, tokens);
        await edge.EndAsync(ticket!, finished: true);
    }
}
