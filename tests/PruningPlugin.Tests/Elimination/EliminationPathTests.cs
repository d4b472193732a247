using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Elimination;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Elimination;

public class EliminationPathTests
{
    private const int Channels = 24;
    private const int Rows = 7;
    private const int Tokens = 400;

    /// <summary>What the steps add up to is what the best fit of the channels left leaves of the projection's output, ridge included.</summary>
    [Fact]
    public void Errors_add_up_to_what_the_best_fit_leaves()
    {
        var (inputs, weights) = Data(1);
        var moments = InputMoments.Of(inputs, Ones, Channels);
        var path = OfChannels(moments, weights, 3);
        Assert.Equal(Enumerable.Range(0, Channels), path.SelectMany(step => step.Channels).Order());
        var sum = 0.0;
        for (var steps = 1; steps <= path.Length - 1; steps++)
        {
            sum += path[steps - 1].Fitted;
            var gone = path.Take(steps).SelectMany(step => step.Channels).ToHashSet();
            Assert.Equal(LeftByBestFit(inputs, weights, gone), sum, 0.01 * sum);
        }
    }

    /// <summary>Whatever the order in which channels go, in the end all of the output but its mean is missing: that all at once is the sum of the steps.</summary>
    [Fact]
    public void A_whole_projection_costs_what_its_steps_cost_together()
    {
        var (inputs, weights) = Data(4);
        for (var token = 0; token < Tokens; token++) inputs[(token * Channels) + 3] += 2;
        var moments = InputMoments.Of(inputs, Ones, Channels);
        var whole = EliminationPath.OfWhole(moments, weights, 2);
        Assert.Equal(Enumerable.Range(0, Channels), whole.Channels);
        Assert.Equal(OfChannels(moments, weights, 1).Sum(step => step.Fitted), whole.Fitted, 1e-4 * whole.Fitted);

        var energy = Enumerable.Range(0, Tokens).Sum(token => Enumerable.Range(0, Rows).Sum(row => Math.Pow(Enumerable.Range(0, Channels).Sum(channel => (double)inputs[(token * Channels) + channel] * weights[(channel * Rows) + row]), 2))) / Tokens;
        Assert.Equal(energy, whole.Plain, 1e-4 * energy);
        Assert.True(whole.Fitted < whole.Plain, "the mean is taken up by a bias");
    }

    /// <summary>Of two channels that are the same the first to go costs little, since the other stands in for it; then that one cannot.</summary>
    [Fact]
    public void A_channel_that_another_can_stand_in_for_costs_little()
    {
        var (inputs, weights) = Data(2);
        for (var token = 0; token < Tokens; token++) inputs[(token * Channels) + 5] = inputs[(token * Channels) + 9];
        var path = OfChannels(InputMoments.Of(inputs, Ones, Channels), weights, 1);
        var pair = path.Where(step => step.Channels[0] is 5 or 9).ToArray();
        Assert.True(pair[0].Fitted < 0.25 * pair[0].Plain, $"{pair[0].Fitted} of {pair[0].Plain}");
        Assert.True(pair[1].Fitted > 4 * pair[0].Fitted, $"{pair[1].Fitted} and {pair[0].Fitted}");
    }

    /// <summary>A channel that is the same for every token is a bias.</summary>
    [Fact]
    public void A_constant_channel_costs_nothing_once_it_is_made_up_for()
    {
        var (inputs, weights) = Data(3);
        for (var token = 0; token < Tokens; token++) inputs[(token * Channels) + 7] = 40;
        var path = OfChannels(InputMoments.Of(inputs, Ones, Channels), weights, 1);
        Assert.Equal([7], path[0].Channels);
        Assert.True(path[0].Fitted < 1e-3 * path[0].Plain, $"{path[0].Fitted} of {path[0].Plain}");
    }

    /// <summary>What is reckoned for rounding is what rounding to such grids then costs.</summary>
    [Fact]
    public void Roundings_cost_is_what_rounding_costs()
    {
        var (inputs, weights) = Data(6);
        // About the mean, since a bias takes up what is the same for all.
        for (var channel = 0; channel < Channels; channel++)
        {
            var mean = Enumerable.Range(0, Tokens).Average(token => inputs[(token * Channels) + channel]);
            for (var token = 0; token < Tokens; token++) inputs[(token * Channels) + channel] -= mean;
        }

        var moments = InputMoments.Of(inputs, Ones, Channels);
        float[] steps = [.. Enumerable.Repeat(0.02f, weights.Length)];
        var reckoned = EliminationPath.OfRounding(moments, EliminationPath.Factor(moments, 1), steps);

        var rounded = weights.ToArray();
        var squares = moments.Squares.ToArray();
        var trace = Enumerable.Range(0, Channels).Sum(at => squares[(at * Channels) + at]);
        GridRounding.Round(Cholesky.Of(squares, Channels, EliminationPath.Penalty * trace / Channels, 1)!, rounded, Rows, steps, [.. weights.Select(_ => 0f)], GgmlType.Q8_0, 1);
        double error = 0;
        for (var token = 0; token < Tokens; token++)
        {
            for (var row = 0; row < Rows; row++)
            {
                var off = Enumerable.Range(0, Channels).Sum(channel => (double)inputs[(token * Channels) + channel] * (rounded[(channel * Rows) + row] - weights[(channel * Rows) + row]));
                error += off * off / Tokens;
            }
        }

        // The ridge's share of the reckoning is not in the error.
        Assert.InRange(error / reckoned, 0.5, 1.2);
    }

    [Fact]
    public void Groups_go_together_the_least_first()
    {
        var (inputs, weights) = Data(4);
        for (var channel = 8; channel < 16; channel++) weights.AsSpan(channel * Rows, Rows).Clear();
        ImmutableArray<ImmutableArray<int>> groups = [.. Enumerable.Range(0, 3).Select(group => Enumerable.Range(8 * group, 8).ToImmutableArray())];
        var path = EliminationPath.OfGroups(InputMoments.Of(inputs, Ones, Channels), weights, groups, 1);
        Assert.Equal(3, path.Length);
        Assert.Equal(groups[1], path[0].Channels);
        Assert.Equal(0, path[0].Plain, 1e-9);
    }

    [Theory]
    [InlineData(GgmlType.Q4_1)]
    [InlineData(GgmlType.F32)]
    public void A_plan_of_a_model_holds_every_channel_once_in_whole_blocks(GgmlType type)
    {
        using var bench = Workbench.Tiny(new TinyModel { Seed = 71, Blocks = 3, Embedding = 64, Heads = 4, KvHeads = 2, FeedForward = 256, Weights = type });
        var set = bench.RandomTokens(1, 60, 50, 40);
        var plan = EliminationPlan.Make(bench.Model, GgufShards.Of(bench.File), bench.Shape, Moves.AllGrains, 4, set, new ScoringOptions(1), (_, _) => { }, CancellationToken.None);
        foreach (var block in Enumerable.Range(0, 3))
        {
            var slices = plan.Units.Parts[new Sublayer(block, SublayerKind.Ffn).Order];
            Assert.Equal([64, 64, 64, 64], slices.Select(slice => slice.Length));
            Assert.Equal(Enumerable.Range(0, 256), slices.SelectMany(slice => slice).Order());
        }

        // Memory for one sublayer at a time: more passes, the same plan.
        var frugal = EliminationPlan.Make(bench.Model, GgufShards.Of(bench.File), bench.Shape, Moves.AllGrains, 4, set, new ScoringOptions(1, StateBytes: 1), (_, _) => { }, CancellationToken.None);
        Assert.Equal(plan.Errors, frugal.Errors);
        Assert.Equal(plan.Units.Parts.SelectMany(units => units).SelectMany(unit => unit), frugal.Units.Parts.SelectMany(units => units).SelectMany(unit => unit));
    }

    private static ImmutableArray<EliminationStep> OfChannels(InputMoments moments, float[] weights, int step) => EliminationPath.OfChannels(moments, EliminationPath.Factor(moments, 1), weights, step, 1);

    private static float[] Ones => [.. Enumerable.Repeat(1f, Tokens)];

    private static (float[] Inputs, float[] Weights) Data(int seed)
    {
        var random = new Random(seed);
        var mix = Enumerable.Range(0, Channels * Channels).Select(_ => random.NextDouble() - 0.5).ToArray();
        var inputs = new float[Tokens * Channels];
        for (var token = 0; token < Tokens; token++)
        {
            var raw = Enumerable.Range(0, Channels).Select(_ => random.NextDouble() - 0.3).ToArray();
            for (var channel = 0; channel < Channels; channel++) inputs[(token * Channels) + channel] = (float)Enumerable.Range(0, Channels).Sum(at => raw[at] * mix[(at * Channels) + channel]);
        }

        return (inputs, [.. Enumerable.Range(0, Channels * Rows).Select(_ => (float)random.NextDouble() - 0.5f)]);
    }

    /// <summary>Least squares on the kept channels about the mean, solved directly, with the same ridge on the change of the weights.</summary>
    private static double LeftByBestFit(float[] inputs, float[] weights, HashSet<int> gone)
    {
        var hessian = new double[Channels, Channels];
        var mean = Enumerable.Range(0, Channels).Select(channel => Enumerable.Range(0, Tokens).Average(token => (double)inputs[(token * Channels) + channel])).ToArray();
        for (var a = 0; a < Channels; a++)
        {
            for (var b = 0; b < Channels; b++) hessian[a, b] = Enumerable.Range(0, Tokens).Sum(token => (inputs[(token * Channels) + a] - mean[a]) * (inputs[(token * Channels) + b] - mean[b]));
        }

        var ridge = EliminationPath.Penalty * Enumerable.Range(0, Channels).Sum(at => hessian[at, at]) / Channels;
        for (var at = 0; at < Channels; at++) hessian[at, at] += ridge;
        int[] kept = [.. Enumerable.Range(0, Channels).Where(channel => !gone.Contains(channel))];
        int[] lost = [.. gone];
        var total = 0.0;
        for (var row = 0; row < Rows; row++)
        {
            // min over the kept changes d of (d - w_lost)ᵀ·H·(d - w_lost).
            var right = kept.Select(k => lost.Sum(l => hessian[k, l] * weights[(l * Rows) + row])).ToArray();
            var matrix = new double[kept.Length * kept.Length];
            for (var a = 0; a < kept.Length; a++)
            {
                for (var b = 0; b <= a; b++) matrix[(a * kept.Length) + b] = hessian[kept[a], kept[b]];
            }

            var change = Cholesky.Of(matrix, kept.Length, 0, 1)!.Solve(right, 1, 1);
            var error = new double[Channels];
            for (var at = 0; at < kept.Length; at++) error[kept[at]] = change[at];
            foreach (var l in lost) error[l] = -weights[(l * Rows) + row];
            for (var a = 0; a < Channels; a++)
            {
                for (var b = 0; b < Channels; b++) total += error[a] * hessian[a, b] * error[b];
            }
        }

        return total / Tokens;
    }
}
