using System.Collections.Immutable;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Tests.Searches;

/// <summary>Landscapes on which plain greedy fails, with optima found by trying every mask.</summary>
public class HardLandscapeTests
{
    /// <summary>Sublayer 0 is the cheapest alone, but whatever goes with it hurts; the best pair holds it not.</summary>
    private static double Trap(CutMask mask) =>
        mask.Removed().Sum(unit => 0.10 + (0.01 * unit)) + (mask.Contains(0) && mask.Count > 1 ? 0.5 * (mask.Count - 1) : 0);

    public static TheoryData<string> Undoing => ["local", "beam", "evolutionary"];

    public static TheoryData<string> All => ["paper", "lazy", "racing", "beam", "local", "evolutionary", "one-shot", "last", "random"];

    /// <summary>An FFN hurts twice as much as an attention and has three times its bytes: who counts sublayers wants the attentions gone, who counts bytes the FFNs.</summary>
    [Theory]
    [InlineData("lazy")]
    [InlineData("racing")]
    [InlineData("beam")]
    [InlineData("local")]
    [InlineData("evolutionary")]
    public void A_budget_of_sublayers_counts_each_as_one(string name)
    {
        var units = Landscape.Map(4);
        double Distance(CutMask mask) => mask.GoneSublayers().Sum(sublayer => (sublayer.Kind == SublayerKind.Ffn ? 2 : 1) + (0.01 * sublayer.Block));
        CutMask Found(SearchBudget budget)
        {
            var problem = Landscape.Problem(units, budget);
            return Make(name, problem).Run(problem, new Landscape(units, Distance), new Witness(), CancellationToken.None)[^1].Mask;
        }

        Assert.Equal("attn:0 attn:1 attn:2", $"{Found(new SearchBudget(3, null))}");
        Assert.Equal("attn:0 attn:1 attn:2", $"{Found(new SearchBudget(3, 30))}");
        Assert.Equal("ffn:0 ffn:1 ffn:2", $"{Found(new SearchBudget(null, 90))}");
    }

    [Theory]
    [MemberData(nameof(Undoing))]
    public void Searches_that_can_turn_back_get_out_of_a_greedy_trap(string name)
    {
        var units = Landscape.Map(4, attentionBytes: 10, ffnBytes: 10);
        var problem = Landscape.Problem(units, new SearchBudget(null, 30));
        var greedy = new RacingGreedySearch(new RaceOptions(RoundShare: 0)).Run(problem, new Landscape(units, Trap), new Witness(), CancellationToken.None);
        var steps = Make(name, problem).Run(problem, new Landscape(units, Trap), new Witness(), CancellationToken.None);
        var optimum = Optimum(problem, Trap);
        Assert.True(greedy[^1].Distance > optimum + 0.1, "the trap is none");
        Assert.Equal(optimum, steps[^1].Distance, 1e-9);
        Assert.Equal(Trap(steps[^1].Mask), steps[^1].Distance, 1e-9);
    }

    /// <summary>Attention and FFN of a block undo each other: one alone hurts, both together hardly. Only a move of both sees it.</summary>
    [Theory]
    [InlineData("racing")]
    [InlineData("lazy")]
    [InlineData("local")]
    public void A_superset_that_is_better_is_found_where_moves_of_its_grain_are_allowed(string name)
    {
        var units = Landscape.Map(4, attentionBytes: 10, ffnBytes: 10);
        double Distance(CutMask mask) => Enumerable.Range(0, 4).Sum(block =>
            (mask.Contains(2 * block), mask.Contains((2 * block) + 1)) switch { (true, true) => 0.05, (false, false) => 0, _ => 1.0 + (0.01 * block) });
        var mixed = Landscape.Problem(units, new SearchBudget(null, 40), grains: [PruneGrain.Block, PruneGrain.Sublayer]);
        var steps = Make(name, mixed).Run(mixed, new Landscape(units, Distance), new Witness(), CancellationToken.None);
        Assert.Equal(0.1, steps[^1].Distance, 1e-9);
        Assert.Equal(40, steps[^1].BytesRemoved);
    }

    /// <summary>
    /// Random landscapes in which pairs hurt more or less together than alone (a third of the growths are negative somewhere): searches that can undo are on the mean nearer
    /// to the optimum of all masks than greedy, never worse than where they began, and near it.
    /// </summary>
    [Theory]
    [InlineData("local", 0.25)]
    [InlineData("evolutionary", 0.15)]
    public void On_landscapes_that_are_not_monotone_undoing_gets_nearer_to_the_optimum(string name, double most)
    {
        var units = Landscape.Map(5, attentionBytes: 10, ffnBytes: 10);
        var problem = Landscape.Problem(units, new SearchBudget(null, 40));
        var (byGreedy, byOther, falls) = (0.0, 0.0, 0);
        for (var seed = 0; seed < 20; seed++)
        {
            var random = new Random(seed);
            double[] alone = [.. Enumerable.Range(0, units.Count).Select(_ => 0.5 + random.NextDouble())];
            double[][] pairs = [.. Enumerable.Range(0, units.Count).Select(_ => Enumerable.Range(0, units.Count).Select(_ => 0.9 * ((2 * random.NextDouble()) - 1)).ToArray())];
            double Distance(CutMask mask)
            {
                int[] gone = [.. mask.Removed()];
                return 3 + gone.Sum(one => alone[one]) + gone.Sum(one => gone.Where(other => other < one).Sum(other => pairs[one][other]));
            }

            var optimum = Optimum(problem, Distance);
            var greedy = new RacingGreedySearch(new RaceOptions(RoundShare: 0)).Run(problem, new Landscape(units, mask => mask.IsEmpty ? 0 : Distance(mask)), new Witness(), CancellationToken.None);
            var found = Make(name, problem).Run(problem, new Landscape(units, mask => mask.IsEmpty ? 0 : Distance(mask)), new Witness(), CancellationToken.None);
            Assert.True(found[^1].Distance >= optimum - 1e-9);
            if (name == "local") Assert.True(found[^1].Distance <= greedy[^1].Distance + 1e-9);
            byGreedy += greedy[^1].Distance - optimum;
            byOther += found[^1].Distance - optimum;
            if (Enumerable.Range(0, units.Count).Any(unit => units.Count > 0 && !greedy[^1].Mask.Contains(unit) && Distance(greedy[^1].Mask.With(unit)) < greedy[^1].Distance)) falls++;
        }

        Assert.True(falls > 0, "the landscapes are monotone");
        Assert.True(byOther < byGreedy, $"greedy {byGreedy / 20:F3}, {name} {byOther / 20:F3}");
        Assert.True(byOther / 20 <= most, $"{name} is {byOther / 20:F3} from the optimum on the mean");
    }

    /// <summary>One candidate's harm falls once another is gone: an old figure hides it from lazy greedy, races look again.</summary>
    [Fact]
    public void An_old_overestimate_hides_a_candidate_from_lazy_greedy_but_not_from_races()
    {
        var units = Landscape.Map(6, attentionBytes: 10, ffnBytes: 10);
        double Distance(CutMask mask) => mask.Removed().Sum(unit => unit == 11 ? (mask.Contains(0) ? 0.001 : 9) : 0.1 + (0.1 * unit));
        var problem = Landscape.Problem(units, new SearchBudget(null, 60));
        var options = new RaceOptions(FirstShare: 1, Shortlist: 2, Refreshed: 2, RoundShare: 0);
        var lazy = new LazyGreedySearch().Run(problem, new Landscape(units, Distance), new Witness(), CancellationToken.None);
        var racing = new RacingGreedySearch(options).Run(problem, new Landscape(units, Distance), new Witness(), CancellationToken.None);
        Assert.DoesNotContain("ffn:5", lazy.Select(step => step.Removed.Name));
        Assert.Contains("ffn:5", racing.Select(step => step.Removed.Name));
        Assert.True(racing[^1].Distance < lazy[^1].Distance);
    }

    [Fact]
    public void Removals_go_together_only_where_they_hurt_no_more_than_alone()
    {
        var units = Landscape.Map(6, attentionBytes: 10, ffnBytes: 10);
        var problem = Landscape.Problem(units, new SearchBudget(null, 80));
        var options = new RaceOptions(RoundShare: 0.25);
        var alone = new RacingGreedySearch(options).Run(problem, new Landscape(units, mask => mask.Count), new Witness(), CancellationToken.None);
        Assert.Equal(4, alone.Count);
        Assert.All(alone, step => Assert.Equal(Landscape.Named(step.Removed.Name, units), step.Removed.Units.ToArray()));
        var clashing = new RacingGreedySearch(options).Run(problem, new Landscape(units, mask => Math.Pow(3, mask.Count)), new Witness(), CancellationToken.None);
        Assert.All(clashing, step => Assert.Single(step.Removed.Units));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Every_search_reaches_the_budget_tells_the_truth_and_repeats_itself(string name)
    {
        var units = UnitMap.Fine(Landscape.Map(5).Shape, channelBlock: 32, slices: 3);
        var distance = Landscape.Supermodular(11, units.Count);
        var problem = Landscape.Problem(units, new SearchBudget(null, 60), grains: Moves.AllGrains);
        var (witness, landscape) = (new Witness(), new Landscape(units, distance));
        var steps = Make(name, problem).Run(problem, landscape, witness, CancellationToken.None);
        Assert.True(steps[^1].BytesRemoved >= 60);
        Assert.Equal(steps, witness.Steps);
        Assert.All(steps, step => Assert.Equal(distance(step.Mask), step.Distance, 1e-9));
        Assert.All(steps, step => Assert.Contains(step.Mask, landscape.Scored));
        Assert.Equal(Enumerable.Range(1, steps.Count), steps.Select(step => step.Number));
        Assert.Equal(landscape.Asked, witness.Paces[^1].Evaluations);
        Assert.Equal(witness.Paces[^1].Evaluations, witness.Paces[^1].ExpectedEvaluations);
        var again = Make(name, problem).Run(problem, new Landscape(units, distance), new Witness(), CancellationToken.None);
        Assert.Equal(steps.Select(step => (step.Removed.Name, step.Mask, step.Distance)), again.Select(step => (step.Removed.Name, step.Mask, step.Distance)));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Every_search_stops_within_one_evaluation(string name)
    {
        var units = Landscape.Map(6);
        using var stop = new CancellationTokenSource();
        var problem = Landscape.Problem(units, new SearchBudget(null, 120));
        var landscape = new Landscape(units, mask => mask.Count) { Before = done => { if (done == 3) stop.Cancel(); } };
        Assert.Throws<OperationCanceledException>(() => Make(name, problem).Run(problem, landscape, new Witness(), stop.Token));
        Assert.Equal(3, landscape.Scored.Count);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void No_search_breaks_on_outputs_that_are_no_numbers(string name)
    {
        var units = Landscape.Map(4);
        double Distance(CutMask mask) => mask.Contains(1) ? double.NaN : mask.Count;
        var problem = Landscape.Problem(units, new SearchBudget(null, 80));
        var steps = Make(name, problem).Run(problem, new Landscape(units, Distance), new Witness(), CancellationToken.None);
        Assert.True(steps[^1].BytesRemoved >= 80);
        if (name is not ("last" or "random")) Assert.False(steps[^1].Mask.Contains(1));
    }

    internal static ISearch Make(string name, SearchProblem problem) => name switch
    {
        "paper" => new PaperSearch(),
        "lazy" => new LazyGreedySearch(),
        "racing" => new RacingGreedySearch(),
        "beam" => new BeamSearch(),
        "local" => new LocalSearch(swaps: new SwapOptions(EvaluationShare: 3)),
        "evolutionary" => new EvolutionarySearch(3),
        "one-shot" => new OneShotSearch(),
        "last" => FixedOrderSearch.LastFirst(problem),
        "random" => FixedOrderSearch.Shuffled(problem, 5),
        _ => throw new ArgumentOutOfRangeException(nameof(name)),
    };

    /// <summary>Least distance of all masks of sublayers that reach the budget.</summary>
    private static double Optimum(SearchProblem problem, Func<CutMask, double> distance)
    {
        var units = problem.Costs.Units;
        return Enumerable.Range(0, 1 << units.Count)
            .Select(bits => CutMask.Of(units, Enumerable.Range(0, units.Count).Where(unit => (bits >> unit & 1) != 0)))
            .Where(mask => problem.Budget.IsReached(mask, problem.Costs)).Min(distance);
    }
}
