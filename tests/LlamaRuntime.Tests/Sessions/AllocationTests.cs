using FinerCut.Runtime;

namespace FinerCut.Tests.LlamaRuntime;

[Collection(nameof(RealModelTests))]
public sealed class AllocationTests(RealModel real)
{
#if LLAMASHARP
    private const int MostPerToken = 16 << 10; // LLamaBatch pins each of its arrays for each decode
#else
    private const int MostPerToken = 0;
#endif

    [Fact]
    public void Decoding_and_sampling_a_token_allocates_nothing()
    {
        using var session = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, Abort = () => false, GraphObserver = new Blind() });
        using var greedy = session.CreateSampler(new SamplerOptions { Temperature = 0 });
        using var drawn = session.CreateSampler(new SamplerOptions { TopK = 40, TopP = 0.9f, Grammar = "root ::= .*", PresencePenalty = 0.1f, Seed = 1 });
        var batch = new TokenBatch(64);
        var token = 5;
        var piece = new byte[64];
        var position = 0;
        for (var i = 0; i < 4; i++) Step();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 20; i++) Step();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20 * MostPerToken);

        void Step()
        {
            batch.Clear();
            batch.Add(token, position++, 0, logits: true);
            if (session.Decode(batch) != DecodeStatus.Done) throw new InvalidOperationException("not decoded");
            token = greedy.Sample(0);
            drawn.Sample(0);
            real.Model.Vocabulary.Piece(token, piece, special: false);
            real.Model.Vocabulary.IsEndOfGeneration(token);
        }
    }

    private sealed class Blind : IGraphObserver
    {
        public bool OnNode(GraphNode node, bool ask) => node.NameUtf8.SequenceEqual("l_out-7"u8);
    }
}
