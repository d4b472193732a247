using FinerCut.Gguf;
using FinerCut.Runtime;
using FinerCut.TestModels;

namespace FinerCut.Tests.LlamaRuntime;

[Collection(nameof(RealModelTests))]
public sealed class CapabilityTests(RealModel real) : IDisposable
{
    private const string Prompt = "The capital of France is";
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_a_session_cannot_do_is_null()
    {
        using var session = real.Open();
        Assert.Null(session.GetService(typeof(IEmbeddings)));
        Assert.Null(session.GetService(typeof(string)));
        Assert.Same(session, session.GetService(typeof(ILlamaSession)));
    }

    [Fact]
    public void Pooled_embeddings_are_near_for_near_texts()
    {
        using var session = real.Open(new SessionOptions { ContextLength = 512, BatchSize = 128, MaxSequences = 3, Embeddings = true, Pooling = PoolingKind.Mean });
        var embeddings = Service<IEmbeddings>(session);
        Assert.Equal(PoolingKind.Mean, embeddings.Pooling);
        Assert.Equal(576, embeddings.Length);
        var batch = new TokenBatch(128);
        DecodeTests.Fill(batch, real.Tokens("The cat sleeps on the sofa."), 0);
        DecodeTests.Fill(batch, real.Tokens("A cat is sleeping on a couch."), 1);
        DecodeTests.Fill(batch, real.Tokens("def factorial(n): return 1 if n < 2 else n * factorial(n - 1)"), 2);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        float[][] all = [.. Enumerable.Range(0, 3).Select(sequence => embeddings.OfSequence(sequence).ToArray())];
        Assert.True(Cosine(all[0], all[1]) > Cosine(all[0], all[2]));
        Assert.Throws<InvalidOperationException>(() => embeddings.OfToken(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => embeddings.OfSequence(3));
    }

    [Fact]
    public void Token_embeddings_come_with_logits()
    {
        using var session = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, Embeddings = true, Pooling = PoolingKind.None });
        using var plain = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 64 });
        var batch = new TokenBatch(64);
        var last = DecodeTests.Fill(batch, real.Tokens(Prompt), 0);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        Assert.Equal(DecodeStatus.Done, plain.Decode(batch));
        var embeddings = Service<IEmbeddings>(session);
        Assert.NotEqual(embeddings.OfToken(0).ToArray(), embeddings.OfToken(last).ToArray());
        Assert.Throws<InvalidOperationException>(() => embeddings.OfSequence(0));
        Assert.Equal(plain.Logits(last).IndexOf(Max(plain.Logits(last))), session.Logits(last).IndexOf(Max(session.Logits(last))));
    }

    [Fact]
    public void A_pooled_batch_that_one_micro_batch_does_not_hold_is_refused()
    {
        using var session = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, MicroBatchSize = 32, Embeddings = true, Pooling = PoolingKind.Mean });
        var batch = new TokenBatch(64);
        for (var i = 0; i < 33; i++) batch.Add(100 + i, i, 0, logits: true);
        Assert.Equal(LlamaErrorCode.InvalidOption, Assert.Throws<LlamaException>(() => session.Decode(batch)).Code);
    }

    [Fact]
    public void A_saved_sequence_goes_on_in_another_session()
    {
        var tokens = real.Tokens(Prompt);
        var path = _folder.File("s.state");
        var batch = new TokenBatch(64);
        float[] expected;
        using (var session = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, MaxSequences = 2 }))
        {
            for (var i = 0; i < tokens.Length - 1; i++) batch.Add(tokens[i], i, 1, logits: false);
            Assert.Equal(DecodeStatus.Done, session.Decode(batch));
            var files = Service<ISequenceFiles>(session);
            Assert.Equal(new FileInfo(Saved(files)).Length, files.Save(path, 1, tokens.AsSpan(0, tokens.Length - 1), "a note"));
            expected = Next(session, 1);
            Assert.Equal(LlamaErrorCode.StateNotSaved, Assert.Throws<LlamaException>(() => files.Save(_folder.File("none/s"), 1, [], "")).Code);
            Assert.Equal(LlamaErrorCode.StateNotSaved, Assert.Throws<LlamaException>(() => files.Save(path, 0, [], "")).Code);
        }

        using var other = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, MaxSequences = 2 });
        Assert.Equal(tokens[..^1], Service<ISequenceFiles>(other).Load(path, 0, note => Assert.Equal("a note", note)));
        Assert.Equal(tokens.Length - 2, other.Memory.LastPosition(0));
        Assert.Equal(expected, Next(other, 0));

        string Saved(ISequenceFiles files)
        {
            files.Save(path, 1, tokens.AsSpan(0, tokens.Length - 1), "a note");
            Assert.False(File.Exists(path + ".part"));
            return path;
        }

        float[] Next(ILlamaSession session, int sequence)
        {
            batch.Clear();
            batch.Add(tokens[^1], tokens.Length - 1, sequence, logits: true);
            Assert.Equal(DecodeStatus.Done, session.Decode(batch));
            return session.Logits(0).ToArray();
        }
    }

    [Fact]
    public void Damaged_and_foreign_states_are_refused_and_leave_the_sequence()
    {
        using var session = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 64 });
        var files = Service<ISequenceFiles>(session);
        var batch = new TokenBatch(64);
        DecodeTests.Fill(batch, real.Tokens(Prompt), 0);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        var path = _folder.File("s.state");
        files.Save(path, 0, real.Tokens(Prompt), "note");
        var whole = File.ReadAllBytes(path);

        using var tiny = real.Runtime.Load(new ModelOptions { Path = new TinyModel().WriteTo(_folder.File("tiny.gguf")) }, null, CancellationToken.None);
        using var foreign = tiny.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, Threads = 1 });
        Assert.Equal(LlamaErrorCode.StateNotLoaded, Assert.Throws<LlamaException>(() => Service<ISequenceFiles>(foreign).Load(path, 0, _ => { })).Code);
        Assert.Equal(-1, foreign.Memory.LastPosition(0));

        File.WriteAllText(_folder.File("text"), "Once upon a time");
        Assert.Throws<LlamaException>(() => files.Load(_folder.File("text"), 0, _ => { }));
        Assert.Throws<LlamaException>(() => files.Load(_folder.File("absent"), 0, _ => { }));
        Assert.Equal(real.Tokens(Prompt).Length - 1, session.Memory.LastPosition(0));
        foreach (var length in (int[])[8, 12, 14, 40, 60, whole.Length / 2, whole.Length - 1]) Refused(whole[..length]);
        Refused([.. whole, 0]);
        for (var at = 0; at < whole.Length; at += whole.Length / 40)
        {
            byte[] damaged = [.. whole];
            damaged[at] ^= 0x10;
            Refused(damaged);
        }

        Assert.Equal(real.Tokens(Prompt).Length - 1, session.Memory.LastPosition(0));
        using var small = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, KeyType = KvType.Q8_0 });
        File.WriteAllBytes(path, whole);
        Assert.Equal(LlamaErrorCode.StateNotLoaded, Assert.Throws<LlamaException>(() => Service<ISequenceFiles>(small).Load(path, 0, _ => { })).Code);
        Assert.Throws<ArgumentOutOfRangeException>(() => files.Load(path, 1, _ => { }));
        Assert.Throws<InvalidDataException>(() => files.Load(path, 0, note => throw new InvalidDataException(note)));
        Assert.Equal(real.Tokens(Prompt).Length - 1, session.Memory.LastPosition(0));
        Assert.Equal(real.Tokens(Prompt), files.Load(path, 0, _ => { }));

        void Refused(byte[] bytes)
        {
            File.WriteAllBytes(path, bytes);
            Assert.Equal(LlamaErrorCode.StateNotLoaded, Assert.Throws<LlamaException>(() => files.Load(path, 0, _ => { })).Code);
        }
    }

    [Fact]
    public void A_LoRA_adapter_changes_the_logits_by_its_strength()
    {
        using var model = real.Runtime.Load(new ModelOptions { Path = new TinyModel().WriteTo(_folder.File("tiny.gguf")) }, null, CancellationToken.None);
        using var session = model.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, Threads = 1 });
        var adapters = Service<ILoraAdapters>(session);
        var adapter = adapters.Load(WriteAdapter(_folder.File("lora.gguf")));
        Assert.Same(adapter, adapters.Load(_folder.File("lora.gguf")));
        Assert.Equal("lora", adapter.Metadata["adapter.type"]);

        var bare = Logits();
        adapters.Use([(adapter, 1)]);
        var full = Logits();
        adapters.Use([(adapter, 0.5f)]);
        var half = Logits();
        adapters.Use([]);
        Assert.Equal(bare, Logits());
        Assert.NotEqual(bare, full);
        Assert.InRange(Distance(bare, half), Distance(bare, full) * 0.2, Distance(bare, full) * 0.8);

        Assert.Equal(LlamaErrorCode.AdapterNotLoaded, Assert.Throws<LlamaException>(() => adapters.Load(_folder.File("absent"))).Code);
        Assert.Equal(LlamaErrorCode.AdapterNotLoaded, Assert.Throws<LlamaException>(() => adapters.Load(_folder.File("tiny.gguf"))).Code);
        using var other = real.Open();
        Assert.Throws<LlamaException>(() => Service<ILoraAdapters>(other).Use([(adapter, 1)]));
        Assert.Equal(LlamaErrorCode.AdapterNotLoaded, Assert.Throws<LlamaException>(() => Service<ILoraAdapters>(other).Load(adapter.Path)).Code);

        float[] Logits()
        {
            session.Memory.Clear();
            var batch = new TokenBatch(8);
            var last = DecodeTests.Fill(batch, [10, 20, 30], 0);
            Assert.Equal(DecodeStatus.Done, session.Decode(batch));
            return session.Logits(last).ToArray();
        }
    }

    [Fact]
    public void Counters_count_prompts_and_single_tokens()
    {
        using var session = real.Open();
        using var sampler = session.CreateSampler(new SamplerOptions { Temperature = 0 });
        var counters = Service<IDecodeCounters>(session);
        counters.Reset();
        var made = real.Generate(session, Prompt, sampler, 4);
        var read = counters.Read();
        Assert.Equal(real.Tokens(Prompt).Length, read.PromptTokens);
        Assert.Equal(made.Length - 1, read.GeneratedTokens);
        Assert.True(read.PromptMilliseconds > 0 && read.GenerationMilliseconds > 0);
    }

    private static T Service<T>(ILlamaSession session) => Assert.IsAssignableFrom<T>(session.GetService(typeof(T)));

    private static string WriteAdapter(string path)
    {
        const int Rank = 4;
        var random = new Random(5);
        var edit = new GgufEdit();
        edit.Set("general.architecture", "llama").Set("general.type", "adapter").Set("adapter.type", "lora").Set("adapter.lora.alpha", 4f);
        Add("blk.0.ffn_up.weight.lora_a", 64, Rank);
        Add("blk.0.ffn_up.weight.lora_b", Rank, 128);
        GgufWriter.Write(edit, path);
        return path;

        void Add(string name, int columns, int rows)
        {
            var values = Enumerable.Range(0, columns * rows).Select(_ => (float)(random.NextDouble() - 0.5) * 0.1f).ToArray();
            edit.Add(new(name, GgmlType.F32, [columns, rows], GgufContent.Bytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values).ToArray())));
        }
    }

    private static float Max(ReadOnlySpan<float> values)
    {
        var most = values[0];
        foreach (var value in values) most = Math.Max(most, value);
        return most;
    }

    private static double Cosine(float[] a, float[] b) => a.Zip(b).Sum(pair => (double)pair.First * pair.Second) / Math.Sqrt(a.Sum(x => (double)x * x) * b.Sum(x => (double)x * x));

    private static double Distance(float[] a, float[] b) => Math.Sqrt(a.Zip(b).Sum(pair => Math.Pow(pair.First - pair.Second, 2)));
}
