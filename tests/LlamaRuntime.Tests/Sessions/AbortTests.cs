using FinerCut.Runtime;

namespace FinerCut.Tests.LlamaRuntime;

[Collection(nameof(RealModelTests))]
public sealed class AbortTests(RealModel real)
{
    [Fact]
    public void An_abort_ends_the_decode_and_keeps_nothing_of_it()
    {
        var asked = 0;
        var abort = false;
        using var session = real.Open(new SessionOptions
        {
            ContextLength = 256, BatchSize = 128, MicroBatchSize = 32, MaxSequences = 2, Abort = () => ++asked > 1500 && abort,
        });
        var batch = new TokenBatch(128);
        DecodeTests.Fill(batch, real.Tokens("The cat"), 1);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        Assert.True(asked > 100);

        // The first of four micro-batches is done when the abort comes: it is taken out again.
        abort = true;
        asked = 0;
        batch.Clear();
        for (var i = 0; i < 128; i++) batch.Add(100 + i, i, 0, logits: i == 127);
        Assert.Equal(DecodeStatus.Aborted, session.Decode(batch));
        Assert.InRange(asked, 1501, 1600);
        Assert.Equal(-1, session.Memory.LastPosition(0));
        Assert.Equal(1, session.Memory.LastPosition(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => session.Logits(127));

        abort = false;
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
    }

    [Fact]
    public void An_abort_callback_that_throws_surfaces()
    {
        using var session = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 32, Abort = () => throw new InvalidDataException("deliberate") });
        var batch = new TokenBatch(4);
        batch.Add(5, 0, 0, logits: true);
        var thrown = Assert.Throws<LlamaException>(() => session.Decode(batch));
        Assert.IsType<InvalidDataException>(thrown.InnerException);
        Assert.Equal(-1, session.Memory.LastPosition(0));
    }
}
