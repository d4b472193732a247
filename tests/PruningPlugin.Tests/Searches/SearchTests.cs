using FinerCut.Masks;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Tests.Searches;

public class SearchTests
{
    [Fact]
    public void Paper_removes_the_least_harmful_first_and_scores_all_others_again()
    {
        var units = Landscape.Map(4);
        var distance = Landscape.Supermodular(1, units.Count);
        var landscape = new Landscape(units, distance);
        var steps = new PaperSearch().Run(Landscape.Problem(units, new SearchBudget(3, null)), landscape, new Witness(), CancellationToken.None);

        var mask = CutMask.None(units);
        foreach (var step in steps)
        {
            var best = Enumerable.Range(0, units.Count).Where(unit => !mask.Contains(unit)).MinBy(unit => distance(mask.With(unit)));
            mask = mask.With(best);
            Assert.Equal(mask, step.Mask);
            Assert.Equal(distance(mask), step.Distance);
        }

        Assert.Equal([8, 7, 6], steps.Select(step => step.Evaluations));
        Assert.Equal(21, landscape.Scored.Count);
    }

    [Fact]
    public void Paper_breaks_ties_by_the_order_of_the_stream()
    {
        var units = Landscape.Map(3);
        var steps = new PaperSearch().Run(Landscape.Problem(units, new SearchBudget(2, null)), new Landscape(units, mask => mask.Count), new Witness(), CancellationToken.None);
        Assert.Equal(["attn:0", "ffn:0"], steps.Select(step => step.Removed.Name));
    }

    [Fact]
    public void Warm_up_bars_the_first_blocks_until_enough_is_gone()
    {
        var units = Landscape.Map(5);
        var steps = new PaperSearch().Run(
            Landscape.Problem(units, new SearchBudget(6, null), warmUp: true), new Landscape(units, mask => mask.Removed().Sum(unit => unit)), new Witness(), CancellationToken.None);

        // 40 % of 5 blocks is 2 blocks; 40 % of 10 sublayers is 4 of them.
        Assert.Equal(["attn:2", "ffn:2", "attn:3", "ffn:3", "attn:0", "ffn:0"], steps.Select(step => step.Removed.Name));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Lazy_greedy_finds_what_full_greedy_per_byte_finds_where_growth_never_falls(int seed)
    {
        var units = Landscape.Map(8);
        var distance = Landscape.Supermodular(seed, units.Count);
        var budget = new SearchBudget(null, 120);
        var lazy = new Landscape(units, distance);
        var steps = new LazyGreedySearch().Run(Landscape.Problem(units, budget), lazy, new Witness(), CancellationToken.None);

        var costs = UnitCosts.Even(units);
        var (mask, evaluations) = (CutMask.None(units), 0);
        while (costs.Bytes(mask) < 120)
        {
            var open = Enumerable.Range(0, units.Count).Where(unit => !mask.Contains(unit)).ToArray();
            evaluations += open.Length;
            var left = 120 - costs.Bytes(mask);
            var best = open.MinBy(unit => (distance(mask.With(unit)) - distance(mask)) / Math.Min(left, costs.Bytes(mask.With(unit)) - costs.Bytes(mask)));
            mask = mask.With(best);
        }

        Assert.Equal(mask, steps[^1].Mask);
        Assert.Equal(distance(mask), steps[^1].Distance, 1e-9);
        Assert.True(lazy.Scored.Count < evaluations * 0.8, $"{lazy.Scored.Count} evaluations, full greedy needs {evaluations}");
    }

    [Fact]
    public void Lazy_greedy_counts_what_a_removal_adds_not_what_is_there_already()
    {
        // With four attentions gone the whole distance for a FFN's bytes looks cheap; what it adds does not.
        var units = Landscape.Map(6);
        var steps = new LazyGreedySearch().Run(
            Landscape.Problem(units, new SearchBudget(null, 60)),
            new Landscape(units, mask => mask.Removed().Sum(unit => unit % 2 == 0 ? 0.1 : 0.9)), new Witness(), CancellationToken.None);
        Assert.All(steps, step => Assert.StartsWith("attn", step.Removed.Name, StringComparison.Ordinal));
    }

    [Fact]
    public void A_first_look_on_few_tokens_decides_nothing()
    {
        // On few tokens the order is upside down by a little; every removal is still one that all tokens were asked about.
        var units = Landscape.Map(6);
        var distance = Landscape.Supermodular(7, units.Count);
        var problem = Landscape.Problem(units, new SearchBudget(null, 90));
        var exact = new LazyGreedySearch().Run(problem, new Landscape(units, distance), new Witness(), CancellationToken.None);
        var racing = new Landscape(units, distance) { OnFewTokens = mask => distance(mask) * 0.9 };
        var steps = new LazyGreedySearch(firstShare: 0.25).Run(problem, racing, new Witness(), CancellationToken.None);
        Assert.Equal(exact.Select(step => (step.Mask, step.Distance)), steps.Select(step => (step.Mask, step.Distance)));
        Assert.All(steps, step => Assert.Contains(step.Mask, racing.Scored));
    }

    [Fact]
    public void A_removal_that_helps_is_taken_and_the_budget_stops_the_search()
    {
        var units = Landscape.Map(3);
        var steps = new LazyGreedySearch().Run(
            Landscape.Problem(units, new SearchBudget(null, 31)),
            new Landscape(units, mask => 1 + mask.Removed().Sum(unit => unit == 3 ? -0.5 : 0.2)), new Witness(), CancellationToken.None);
        Assert.Equal("ffn:1", steps[0].Removed.Name);
        Assert.Equal(2, steps.Count);
        Assert.True(steps[^1].BytesRemoved >= 31);
    }

    [Fact]
    public void Outputs_that_are_no_numbers_are_removed_last()
    {
        var units = Landscape.Map(2);
        double Distance(CutMask mask) => mask.Contains(1) ? double.NaN : mask.Count;
        foreach (ISearch search in new ISearch[] { new PaperSearch(), new LazyGreedySearch() })
        {
            var steps = search.Run(Landscape.Problem(units, new SearchBudget(3, null)), new Landscape(units, Distance), new Witness(), CancellationToken.None);
            Assert.DoesNotContain("ffn:0", steps.Select(step => step.Removed.Name));
        }
    }

    [Fact]
    public void Something_is_always_left_of_the_model()
    {
        var units = Landscape.Map(2);
        var steps = new PaperSearch().Run(Landscape.Problem(units, new SearchBudget(10, null)), new Landscape(units, mask => mask.Count), new Witness(), CancellationToken.None);
        Assert.Equal(3, steps.Count);
    }

    [Fact]
    public void Progress_never_runs_backwards_and_ends_where_it_said()
    {
        var units = Landscape.Map(6);
        foreach (ISearch search in new ISearch[] { new PaperSearch(), new LazyGreedySearch() })
        {
            var witness = new Witness();
            var landscape = new Landscape(units, Landscape.Supermodular(5, units.Count));
            search.Run(Landscape.Problem(units, new SearchBudget(4, null)), landscape, witness, CancellationToken.None);
            Assert.Equal(landscape.Scored.Count, witness.Paces[^1].Evaluations);
            Assert.Equal(witness.Paces[^1].Evaluations, witness.Paces[^1].ExpectedEvaluations);
            Assert.Equal((4, 4), (witness.Paces[^1].Steps, witness.Paces[^1].ExpectedSteps));
            Assert.All(witness.Paces.Zip(witness.Paces.Skip(1)), pair => Assert.True(pair.First.Evaluations <= pair.Second.Evaluations));
        }
    }

    [Fact]
    public void Cancellation_stops_within_one_evaluation()
    {
        var units = Landscape.Map(6);
        foreach (ISearch search in new ISearch[] { new PaperSearch(), new LazyGreedySearch() })
        {
            using var stop = new CancellationTokenSource();
            var landscape = new Landscape(units, mask => mask.Count) { Before = done => { if (done == 5) stop.Cancel(); } };
            Assert.Throws<OperationCanceledException>(() => search.Run(Landscape.Problem(units, new SearchBudget(4, null)), landscape, new Witness(), stop.Token));
            Assert.Equal(5, landscape.Scored.Count);
        }
    }
}
