using FinerCut.Runtime;

namespace FinerCut.Tests.LlamaRuntime;

/// <summary>What would be an assertion inside ggml, and with it the end of the process, is an exception here.</summary>
[Collection(nameof(RealModelTests))]
public sealed class GuardTests(RealModel real) : IDisposable
{
    private readonly ILlamaSession _session = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 32, MaxSequences = 2, MaxOutputs = 4 });

    public void Dispose() => _session.Dispose();

    [Theory]
    [InlineData(-1, 0, 0, "token -1"), InlineData(49152, 0, 0, "token 49152"), InlineData(5, -1, 0, "position -1")]
    [InlineData(5, int.MaxValue, 0, "position"), InlineData(5, 0, -1, "sequence -1"), InlineData(5, 0, 2, "sequence 2")]
    public void Batch_entries_out_of_range(int token, int position, int sequence, string says)
    {
        var batch = new TokenBatch(2);
        batch.Add(token, position, sequence, logits: true);
        Refused(batch, says);
    }

    [Fact]
    public void Batches_too_long_empty_or_asking_for_too_much()
    {
        Refused(new TokenBatch(1), "empty");
        var batch = new TokenBatch(64);
        for (var i = 0; i < 33; i++) batch.Add(5, i, 0, logits: false);
        Refused(batch, "33 tokens");
        batch.Clear();
        for (var i = 0; i < 5; i++) batch.Add(5, i, 0, logits: true);
        Refused(batch, "ask for logits");
    }

    [Fact]
    public void Positions_that_do_not_continue_the_sequence()
    {
        var batch = new TokenBatch(4);
        batch.Add(5, 0, 0, logits: true);
        Assert.Equal(DecodeStatus.Done, _session.Decode(batch));
        batch.Clear();
        batch.Add(5, 7, 0, logits: true);
        Refused(batch, "code -1");
        batch.Clear();
        batch.Add(5, 0, 0, logits: true);
        Refused(batch, "position");
        Assert.Equal(0, _session.Memory.LastPosition(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => _session.Logits(0));
    }

    [Fact]
    public void Logits_that_nobody_asked_for()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _session.Logits(0));
        var batch = new TokenBatch(4);
        batch.Add(5, 0, 0, logits: false);
        batch.Add(6, 1, 0, logits: true);
        Assert.Equal(DecodeStatus.Done, _session.Decode(batch));
        Assert.Throws<InvalidOperationException>(() => _session.Logits(0));
        Assert.Equal(49152, _session.Logits(1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => _session.Logits(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => _session.Logits(-1));
        using var sampler = _session.CreateSampler(new SamplerOptions());
        Assert.Throws<ArgumentOutOfRangeException>(() => sampler.Sample(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => sampler.Accept(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => sampler.Accept(49152));
    }

    [Fact]
    public void Sequences_out_of_range()
    {
        var memory = _session.Memory;
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.LastPosition(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.LastPosition(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Copy(0, 2, -1, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Copy(-1, 0, -1, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Remove(2, -1, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Shift(5, -1, -1, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Shift(0, 2, -1, -3));
        Assert.True(memory.Remove(int.MinValue, int.MinValue, int.MinValue));
    }

    [Fact]
    public void Separate_memories_share_whole_sequences_only()
    {
        using var session = real.Open(new SessionOptions { ContextLength = 512, BatchSize = 32, MaxSequences = 2, UnifiedKv = false });
        var batch = new TokenBatch(8);
        DecodeTests.Fill(batch, [5, 6, 7, 8], 0);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        Assert.Equal(LlamaErrorCode.InvalidOption, Assert.Throws<LlamaException>(() => session.Memory.Copy(0, 1, 0, 2)).Code);
        Assert.Equal(LlamaErrorCode.InvalidOption, Assert.Throws<LlamaException>(() => session.Memory.Copy(0, 1, 1, -1)).Code);
        session.Memory.Copy(0, 1, 0, 4);
        batch.Clear();
        batch.Add(9, 4, 1, logits: true);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
    }

    [Fact]
    public void Session_options_are_refused_all_at_once()
    {
        var thrown = Assert.Throws<LlamaException>(() => real.Model.Open(new SessionOptions
        {
            ContextLength = 0, BatchSize = -1, MaxSequences = 1000, Threads = -2, KeyType = (KvType)77, ValueType = KvType.Q8_0, FlashAttention = FlashAttention.Off,
        }));
        Assert.Equal(LlamaErrorCode.InvalidOption, thrown.Code);
        foreach (var name in (string[])["ContextLength is 0", "BatchSize is -1", "MaxSequences is 1000", "Threads is -2", "KeyType is 77", "flash attention"])
            Assert.Contains(name, thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_context_that_does_not_fit_is_refused()
    {
        var thrown = Assert.Throws<LlamaException>(() => real.Model.Open(new SessionOptions { ContextLength = 1 << 27 }));
        Assert.Equal(LlamaErrorCode.ContextNotCreated, thrown.Code);
        Assert.Contains("GB of KV memory and does not fit", thrown.Message, StringComparison.Ordinal);
    }

    private void Refused(TokenBatch batch, string says)
    {
        var thrown = Assert.Throws<LlamaException>(() => _session.Decode(batch));
        Assert.Equal(LlamaErrorCode.InvalidOption, thrown.Code);
        Assert.Contains(says, thrown.Message, StringComparison.Ordinal);
    }
}
