using CsCheck;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Queueing;

namespace FinerCut.Tests.Access;

public class FairOrderTests
{
    [Fact]
    public void Flows_take_turns_however_many_requests_one_sends_first()
    {
        var order = new FairOrder<string>();
        for (var i = 0; i < 5; i++) order.Add($"a{i}", Claim("a"));
        order.Add("b0", Claim("b"));
        order.Add("b1", Claim("b"));
        Assert.Equal(["a0", "b0", "a1", "b1", "a2", "a3", "a4"], order.Order());
        Assert.Equal(["a0", "b0", "a1", "b1", "a2", "a3", "a4"], Drain(order));
    }

    [Fact]
    public void A_flow_that_was_idle_is_served_next_and_saves_nothing_up()
    {
        var order = new FairOrder<string>();
        for (var i = 0; i < 20; i++) order.Add($"a{i}", Claim("a"));
        for (var i = 0; i < 10; i++) Assert.True(order.TryTake(out _, out _));
        for (var i = 0; i < 3; i++) order.Add($"b{i}", Claim("b"));
        var rest = Drain(order);
        Assert.InRange(rest.IndexOf("b0"), 0, 1);
        Assert.InRange(rest.IndexOf("b2"), 4, 6);
    }

    [Fact]
    public void Higher_classes_go_first_and_lower_ones_are_not_starved()
    {
        var order = new FairOrder<string>();
        for (var i = 0; i < 100; i++)
        {
            order.Add("low", Claim("low", PriorityClass.Low));
            order.Add("high", Claim("high", PriorityClass.High));
        }

        order.Add("normal", Claim("normal"));
        var served = Drain(order);
        Assert.InRange(served.IndexOf("normal"), 0, 2);
        Assert.InRange(served.Take(66).Count(item => item == "low"), 1, 2);
    }

    [Fact]
    public void Busy_flows_share_by_weight_and_cost() =>
        Gen.Select(Gen.Int[1, 9], Gen.Long[1, 20]).Array[2, 5].Sample(flows =>
        {
            const int Length = 400;
            var order = new FairOrder<string>();
            for (var i = 0; i < Length; i++)
            {
                for (var flow = 0; flow < flows.Length; flow++) order.Add($"{flow}", Claim($"{flow}", weight: flows[flow].Item1, cost: flows[flow].Item2));
            }

            // While all are busy, no two differ by more than one request each (Goyal et al., theorem 1).
            var work = new double[flows.Length];
            var left = Enumerable.Repeat(Length, flows.Length).ToArray();
            while (left.All(count => count > 0) && order.TryTake(out var item, out _))
            {
                var flow = int.Parse(item!);
                left[flow]--;
                work[flow] += flows[flow].Item2 / (double)(flows[flow].Item1 * 8);
                for (var other = 0; other < flows.Length; other++)
                {
                    var bound = (flows[flow].Item2 / (double)(flows[flow].Item1 * 8)) + (flows[other].Item2 / (double)(flows[other].Item1 * 8));
                    Assert.True(Math.Abs(work[flow] - work[other]) <= bound + 1e-9);
                }
            }
        }, iter: 50);

    [Fact]
    public void Nothing_is_lost_and_a_flow_keeps_its_order() =>
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, 4], Gen.Long[1, 30]).Array[1, 200].Sample(steps =>
        {
            var order = new FairOrder<string>();
            var waiting = new List<(string Item, string Flow)>();
            var number = 0;
            foreach (var (kind, flow, cost) in steps)
            {
                var name = $"f{flow}";
                if (kind <= 1)
                {
                    var item = $"{number++}";
                    order.Add(item, Claim(name, (PriorityClass)(flow % 3), flow + 1, cost));
                    waiting.Add((item, name));
                }
                else if (kind == 2)
                {
                    var expected = order.Order().FirstOrDefault();
                    Assert.Equal(waiting.Count > 0, order.TryTake(out var taken, out var claim));
                    if (taken is null) continue;
                    Assert.Equal(expected, taken);
                    Assert.Equal(waiting.First(row => row.Flow == claim!.Flow).Item, taken);
                    waiting.RemoveAll(row => row.Item == taken);
                }
                else if (waiting.FirstOrDefault(row => row.Flow == name) is { Item: not null } victim)
                {
                    var last = waiting.Last(row => row.Flow == victim.Flow);
                    Assert.True(order.Remove(last.Item, last.Flow));
                    Assert.False(order.Remove(last.Item, last.Flow));
                    waiting.Remove(last);
                }

                Assert.Equal(waiting.Count, order.Count);
                Assert.All(waiting.GroupBy(row => row.Flow), group =>
                {
                    Assert.Equal(group.Count(), order.CountOf(group.Key));
                    Assert.Equal(order.Order().ToList().IndexOf(group.First().Item), order.PositionOf(group.Key));
                });
            }

            Assert.Equal(waiting.Select(row => row.Item).Order(), Drain(order).Order());
        }, iter: 300);

    [Fact]
    public void The_newest_of_the_lowest_class_is_dropped_first()
    {
        var order = new FairOrder<string>();
        order.Add("low1", Claim("x", PriorityClass.Low));
        order.Add("low2", Claim("x", PriorityClass.Low));
        order.Add("low3", Claim("y", PriorityClass.Low));
        order.Add("normal", Claim("z"));
        Assert.Equal("low2", order.LowestBelow(PriorityClass.Normal)?.Item);
        Assert.Equal("low2", order.LowestBelow(PriorityClass.High)?.Item);
        Assert.Null(order.LowestBelow(PriorityClass.Low));
    }

    private static QueueClaim Claim(string flow, PriorityClass priority = PriorityClass.Normal, int weight = 1, long cost = 1) => new(flow, priority, weight, cost);

    private static List<string> Drain(FairOrder<string> order)
    {
        var served = new List<string>();
        while (order.TryTake(out var item, out _)) served.Add(item!);
        return served;
    }
}
