using FinerCut.Pruning.Dealing;
using FinerCut.ScaleBench;

namespace FinerCut.Tests.Dealing;

public class DealTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(16)]
    public void Every_mask_counts_once_on_every_batch_whoever_fails(int scorers)
    {
        for (var seed = 0; seed < 50; seed++)
        {
            var random = new Random(seed);
            var (masks, batches) = (random.Next(1, 40), random.Next(1, 12));
            var deal = new Deal(masks, batches, scorers);
            var counted = new int[masks * batches];
            var held = new List<DealShare>();
            for (var turn = 0; !deal.IsDone; turn++)
            {
                Assert.True(turn < 100_000, $"seed {seed}: no end");
                var scorer = random.Next(scorers);
                deal.Welcome(scorer);
                if (held.All(share => share.Scorer != scorer) && deal.Take(scorer) is { } taken) held.Add(taken);
                if (held.Count == 0) continue;
                var ended = held[random.Next(held.Count)];
                held.Remove(ended);
                if (random.Next(5) == 0) deal.Failed(ended);
                else foreach (var mask in deal.Done(ended)) counted[(ended.Batch * masks) + mask]++;
            }

            Assert.True(counted.All(count => count == 1), $"seed {seed}");
        }
    }

    [Fact]
    public void What_a_silent_scorer_has_is_taken_over_when_nothing_else_is_left()
    {
        var deal = new Deal(10, 1, 2);
        var silent = deal.Take(0)!;
        while (deal.Take(1) is { } share && !deal.IsDone) deal.Done(share);
        Assert.True(deal.IsDone);
        Assert.Empty(deal.Done(silent));
    }

    [Fact]
    public void A_scorer_stays_with_its_batch_while_that_has_work()
    {
        var deal = new Deal(40, 4, 4);
        var home = Enumerable.Range(0, 4).Select(scorer => deal.Take(scorer)!).ToArray();
        Assert.Equal(4, home.Select(share => share.Batch).Distinct().Count());
        for (var i = 0; i < 4; i++)
        {
            deal.Done(home[i]);
            Assert.Equal(home[i].Batch, deal.Take(i)!.Batch);
        }
    }

    [Theory]
    [InlineData(1, 0.99)]
    [InlineData(16, 0.9)]
    public void A_search_of_a_70B_model_makes_good_use_of_its_machines(int hosts, double least)
    {
        for (var seed = 1; seed <= 3; seed++)
        {
            var times = DealSimulation.Run(new SearchShape(), hosts, seed);
            Assert.True(times.Efficiency(hosts) >= least, $"seed {seed}: {times.Efficiency(hosts):P1}");
            // Every step scores all that is still there on all batches.
            Assert.Equal(Enumerable.Range(0, 48).Sum(step => (160 - step) * 20), times.Evaluations);
        }
    }
}
