using FinerCut.Worker.Batching;

namespace FinerCut.Tests.Batching;

public class StepPlannerTests
{
    private static readonly StepLimits Limits = new(BatchTokens: 512, ChunkTokens: 128);

    [Fact]
    public void EveryDecodeGetsItsTokenAndPromptsTheRestOfTheChunk()
    {
        Assert.Equal([1, 1, 128], Plan(Item(1), Item(1), Item(1000)));
    }

    [Fact]
    public void WithoutDecodesPromptsGetTheWholeBatch()
    {
        Assert.Equal([412, 100], Plan(Item(1000), Item(100)));
        Assert.Equal([200, 100], Plan(300, Item(1000), Item(100)));
    }

    [Fact]
    public void TheShortestRemainingPromptComesFirst()
    {
        Assert.Equal([28, 40, 60, 1], Plan(Item(4000, 3), Item(40, 2), Item(60, 1), Item(1)));
        Assert.Equal([0, 40, 88, 1], Plan(Item(4000, 3), Item(40, 2), Item(900, 1), Item(1)));
    }

    [Fact]
    public void WhoCameFirstHasAQuarterWhateverItsLength()
    {
        Assert.Equal([32, 96, 0, 1], Plan(Item(4000, 1), Item(300, 2), Item(300, 3), Item(1)));
        // What the first does not need of it is the second's.
        Assert.Equal([10, 22, 96, 1], Plan(Item(10, 1), Item(4000, 2), Item(300, 3), Item(1)));
        Assert.Equal([512], Plan(Item(4000)));
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

    private static StepItem Item(int remaining, long arrival = 0) => new(remaining, StepPlanner.Rank(remaining, 1), arrival);

    private static int[] Plan(params StepItem[] items) => Plan(Limits.BatchTokens, items);

    private static int[] Plan(int promptTokens, params StepItem[] items)
    {
        var shares = new int[items.Length];
        StepPlanner.Plan(items, Limits, promptTokens, shares);
        return shares;
    }
}
