namespace FinerCut.Gguf.Tests.Numbers;

public class GgmlGridFitTests
{
    private const int Seed = 20260301;

    public static TheoryData<GgmlType> Grids => [.. Enum.GetValues<GgmlType>().Where(GgmlGrid.Covers)];

    /// <summary>Every weight lies within about half a step of a value that its block holds, as the library itself decodes it.</summary>
    [Theory]
    [MemberData(nameof(Grids))]
    public void The_grid_spans_the_weights(GgmlType type)
    {
        var weights = Weights(256 * 64, spread: 1);
        var rounded = Rounded(type, weights, out var scales);

        // What the signed types and the scales of 6 and 8 bits lose at one end is a step at most; Q4_1 and Q5_1 may leave 0.105 of the range outside, which is 2 of 12 steps and 4 of 25.
        var slack = type switch { GgmlType.Q8_0 => 0.51f, GgmlType.Q4_1 => 2.51f, GgmlType.Q5_1 => 4.51f, _ => 1.6f };
        for (var at = 0; at < weights.Length; at++) Assert.True(Math.Abs(rounded[at] - weights[at]) <= slack * Math.Abs(scales[at]) + 1e-3f, $"{at}: {weights[at]} became {rounded[at]}, steps are {scales[at]}");
    }

    /// <summary>No worse in the mean than the library's own quantiser by more than what its search for better scales brings.</summary>
    [Theory]
    [InlineData(GgmlType.Q4_0)]
    [InlineData(GgmlType.Q4_1)]
    [InlineData(GgmlType.Q5_0)]
    [InlineData(GgmlType.Q5_1)]
    [InlineData(GgmlType.Q8_0)]
    [InlineData(GgmlType.Q4_K)]
    [InlineData(GgmlType.Q6_K)]
    public void Rounding_to_it_is_about_as_good_as_the_librarys_quantiser(GgmlType type)
    {
        var weights = Weights(256 * 64, spread: 1);
        var theirs = NativeGgml.Decode(type, NativeGgml.Encode(type, weights), weights.Length);
        Assert.True(Error(Rounded(type, weights, out _)) <= 1.35 * Error(theirs), $"{Error(Rounded(type, weights, out _))} against {Error(theirs)}");

        double Error(float[] values) => values.Zip(weights, (value, weight) => Math.Pow(value - weight, 2)).Sum();
    }

    /// <summary>A few far weights do not make the steps of all the others wide.</summary>
    [Theory]
    [InlineData(GgmlType.Q4_1, 15, 0.95)]
    [InlineData(GgmlType.Q5_1, 31, 0.995)]
    public void Far_weights_may_lie_outside(GgmlType type, int steps, double atMost)
    {
        var weights = Weights(32 * 256, spread: 1);
        double ours = 0, spanning = 0;
        var rounded = Rounded(type, weights, out _);
        for (var block = 0; block < weights.Length; block += 32)
        {
            var (least, most) = (weights[block..(block + 32)].Min(), weights[block..(block + 32)].Max());
            for (var at = block; at < block + 32; at++)
            {
                ours += Math.Pow(rounded[at] - weights[at], 2);
                spanning += Math.Pow(weights[at] - least - (Math.Round((weights[at] - least) / (most - least) * steps) * (most - least) / steps), 2);
            }
        }

        Assert.InRange(ours / spanning, 0.5, atMost);
    }

    [Theory]
    [MemberData(nameof(Grids))]
    public void Zeros_stay_zeros(GgmlType type) => Assert.All(Rounded(type, new float[256], out _), value => Assert.Equal(0, value));

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(1e9f)]
    public void What_does_not_fit_is_refused(float value) =>
        Assert.Equal(GgufWriteCause.ValueUnfit, Assert.Throws<GgufWriteException>(() => GgmlGridFit.Blocks(GgmlType.Q4_1, [.. new float[31], value])).Cause);

    private static float[] Weights(int count, double spread)
    {
        var random = new Random(Seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(spread * (random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5)))];
    }

    private static float[] Rounded(GgmlType type, float[] weights, out float[] scales)
    {
        var data = GgmlGridFit.Blocks(type, weights);
        (scales, var offsets) = (new float[weights.Length], new float[weights.Length]);
        GgmlGrid.Read(type, data, scales, offsets);
        var (least, most) = GgmlGrid.Range(type);
        var quants = new sbyte[weights.Length];
        for (var at = 0; at < weights.Length; at++) quants[at] = (sbyte)(scales[at] == 0 ? Math.Clamp(0, least, most) : Math.Clamp(MathF.Round((weights[at] - offsets[at]) / scales[at]), least, most));
        GgmlGrid.Write(type, quants, data);
        return NativeGgml.Decode(type, data, weights.Length);
    }
}
