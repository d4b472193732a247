using FinerCut.Runtime;

namespace FinerCut.Tests.LlamaRuntime;

[Collection(nameof(RealModelTests))]
public sealed class DecodeTests(RealModel real)
{
    private const string Prompt = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n";

    [Fact]
    public void Greedy_decoding_answers_and_repeats_itself()
    {
        using var session = real.Open();
        using var sampler = session.CreateSampler(new SamplerOptions { Temperature = 0 });
        var first = real.Generate(session, Prompt, sampler, 24);
        session.Memory.Clear();
        var second = real.Generate(session, Prompt, sampler, 24);
        Assert.Equal(first, second);
        Assert.Contains("Paris", real.Text(first), StringComparison.Ordinal);
    }

    [Fact]
    public void Two_sessions_of_one_model_do_not_disturb_each_other()
    {
        using var one = real.Open();
        using var other = real.Open();
        using var sampler = one.CreateSampler(new SamplerOptions { Temperature = 0 });
        using var otherSampler = other.CreateSampler(new SamplerOptions { Temperature = 0 });
        var alone = real.Generate(one, Prompt, sampler, 8);
        one.Memory.Clear();
        var otherText = real.Generate(other, "The quick brown fox", otherSampler, 8);
        Assert.Equal(alone, real.Generate(one, Prompt, sampler, 8));
        Assert.NotEqual(alone, otherText);
    }

    [Fact]
    public void A_batch_of_several_sequences_equals_each_alone()
    {
        string[] prompts = ["The cat sat on the", "In the beginning there was", "1, 2, 3, 4,"];
        using var session = real.Open(new SessionOptions { ContextLength = 1024, BatchSize = 512, MaxSequences = 4 });
        var alone = prompts.Select(prompt =>
        {
            session.Memory.Clear();
            var batch = new TokenBatch(64);
            var last = Fill(batch, real.Tokens(prompt), 0);
            Assert.Equal(DecodeStatus.Done, session.Decode(batch));
            return session.Logits(last).ToArray();
        }).ToArray();

        session.Memory.Clear();
        var together = new TokenBatch(64);
        var indices = prompts.Select((prompt, sequence) => Fill(together, real.Tokens(prompt), sequence)).ToArray();
        Assert.Equal(DecodeStatus.Done, session.Decode(together));
        for (var i = 0; i < prompts.Length; i++)
        {
            var logits = session.Logits(indices[i]);
            var worst = 0f;
            for (var token = 0; token < logits.Length; token++) worst = Math.Max(worst, Math.Abs(logits[token] - alone[i][token]));
            Assert.True(worst < 0.5f, $"logits of sequence {i} differ by {worst}");
        }
    }

    [Fact]
    public void Sharing_a_sequence_saves_computing_it_and_gives_the_same_logits()
    {
        using var session = real.Open(new SessionOptions { ContextLength = 512, BatchSize = 512, MaxSequences = 3 });
        var tokens = real.Tokens(Prompt);
        var batch = new TokenBatch(64);
        for (var i = 0; i < tokens.Length - 1; i++) batch.Add(tokens[i], i, 0, logits: false);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        session.Memory.Copy(0, 2, -1, -1);
        Assert.Equal(tokens.Length - 2, session.Memory.LastPosition(2));
        var results = new List<float[]>();
        foreach (var sequence in (int[])[0, 2])
        {
            batch.Clear();
            batch.Add(tokens[^1], tokens.Length - 1, sequence, logits: true);
            Assert.Equal(DecodeStatus.Done, session.Decode(batch));
            results.Add(session.Logits(0).ToArray());
        }

        Assert.Equal(results[0].AsSpan().IndexOf(results[0].Max()), results[1].AsSpan().IndexOf(results[1].Max()));
        Assert.True(session.Memory.Remove(0, 4, -1));
        Assert.Equal(3, session.Memory.LastPosition(0));
        Assert.Equal(tokens.Length - 1, session.Memory.LastPosition(2));
        Assert.True(session.Memory.Remove(-1, -1, -1));
        Assert.Equal(-1, session.Memory.LastPosition(2));
    }

    [Fact]
    public void A_batch_beyond_the_memory_finds_no_space_and_leaves_it_as_it_was()
    {
        using var session = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 256 });
        var batch = new TokenBatch(256);
        for (var i = 0; i < 200; i++) batch.Add(100 + i, i, 0, logits: false);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        batch.Clear();
        for (var i = 0; i < 100; i++) batch.Add(100 + i, 200 + i, 0, logits: false);
        Assert.Equal(DecodeStatus.NoSpace, session.Decode(batch));
        Assert.Equal(199, session.Memory.LastPosition(0));
    }

    [Fact]
    public void Two_threads_compute_what_one_computes()
    {
        float[] Logits(int threads, int batchThreads)
        {
            using var session = real.Model.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, Threads = threads, BatchThreads = batchThreads });
            Assert.Equal((threads, Math.Max(batchThreads, 1)), (session.Info.Threads, session.Info.BatchThreads));
            var batch = new TokenBatch(8);
            Fill(batch, [5, 6, 7], 0);
            Assert.Equal(DecodeStatus.Done, session.Decode(batch));
            batch.Clear();
            batch.Add(8, 3, 0, logits: true);
            Assert.Equal(DecodeStatus.Done, session.Decode(batch));
            return session.Logits(0).ToArray();
        }

        var one = Logits(1, 1);
        Assert.Equal(one, Logits(2, 1));
        Assert.Equal(one, Logits(1, 2));
    }

    internal static int Fill(TokenBatch batch, int[] tokens, int sequence)
    {
        var last = -1;
        for (var i = 0; i < tokens.Length; i++) last = batch.Add(tokens[i], i, sequence, logits: i == tokens.Length - 1);
        return last;
    }
}
