using FinerCut.Runtime;

namespace FinerCut.Tests.Runtime;

public class TokenBatchTests
{
    [Fact]
    public void Tokens_lie_in_parallel_and_clear_keeps_the_arrays()
    {
        var batch = new TokenBatch(2);
        Assert.Equal(0, batch.Add(7, 3, 1, logits: false));
        Assert.Equal(1, batch.Add(8, 4, 1, logits: true));
        Assert.Equal([7, 8], batch.Tokens);
        Assert.Equal([3, 4], batch.Positions);
        Assert.Equal([1, 1], batch.Sequences);
        Assert.Equal<sbyte>([0, 1], batch.Logits.ToArray());
        Assert.Throws<InvalidOperationException>(() => batch.Add(9, 5, 1, logits: false));
        batch.Clear();
        Assert.Equal(0, batch.Count);
        Assert.Equal(0, batch.Add(9, 0, 0, logits: true));
    }
}
