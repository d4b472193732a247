using FinerCut.Worker.Batching;

namespace FinerCut.Tests.Batching;

public class StepPlannerTests
{
    private static readonly StepLimits Limits = new(BatchTokens: 512, ChunkTokens: 128, AgeingTokensPerSecond: 500);

    [Fact]
    public void EveryDecodeGetsItsTokenAndPromptsTheRestOfTheChunk()
    {
        Assert.Equal([1, 1, 128], Plan(Item(1), Item(1), Item(1000)));
    }

    [Fact]
    public void WithoutDecodesPromptsGetTheWholeBatch()
    {
        Assert.Equal([412, 100], Plan(Item(1000), Item(100)));
    }

    [Fact]
    public void TheShortestRemainingPromptComesFirst()
    {
        Assert.Equal([28, 40, 60, 1], Plan(Item(4000), Item(40), Item(60), Item(1)));
        Assert.Equal([0, 40, 88, 1], Plan(Item(4000), Item(40), Item(900), Item(1)));
    }

    [Fact]
    public void AgeOutweighsLength()
    {
        Assert.Equal([512, 0], Plan(Item(4000, waited: 9), Item(50)));
    }

    [Fact]
    public void HeldSequencesGetNothing()
    {
        Assert.Equal([0, 0, 300], Plan(Item(500) with { Held = true }, Item(1) with { Held = true }, Item(300)));
    }

    [Fact]
    public void NeverMoreThanTheBatchTakes()
    {
        var shares = Plan([.. Enumerable.Range(0, 600).Select(_ => Item(1))]);
        Assert.Equal(512, shares.Sum());
    }

    private static StepItem Item(int remaining, double waited = 0) => new(remaining, StepPlanner.Rank(remaining, waited, 1, Limits));

    private static int[] Plan(params StepItem[] items)
    {
        var shares = new int[items.Length];
        StepPlanner.Plan(items, Limits, shares);
        return shares;
    }
}
