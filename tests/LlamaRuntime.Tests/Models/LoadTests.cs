using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.TestModels;

namespace FinerCut.Tests.LlamaRuntime;

[Collection(nameof(RealModelTests))]
public sealed class LoadTests(RealModel real)
{
    [Fact]
    public void The_model_tells_what_it_is()
    {
        var info = real.Model.Info;
        Assert.Equal(49152, info.VocabularySize);
        Assert.Equal(576, info.EmbeddingLength);
        Assert.Equal(30, info.BlockCount);
        Assert.Equal(8192, info.ContextLength);
        Assert.Equal(134_515_008, info.ParameterCount);
        Assert.InRange(info.SizeBytes, 80_000_000, new FileInfo(RealModel.Path).Length);
        Assert.Equal("llama", info.Metadata["general.architecture"]);
        Assert.Contains("<|im_start|>", info.ChatTemplate, StringComparison.Ordinal);
        Assert.True(info.HasDecoder);
        Assert.False(info.HasEncoder);
    }

    [Fact]
    public void Files_that_are_no_models_are_refused_with_what_is_wrong()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.File("text.gguf"), "Once upon a time");
        File.WriteAllText(folder.File("empty.gguf"), "");
        var whole = TinyAt(folder.File("whole.gguf"));
        var bytes = File.ReadAllBytes(whole);
        File.WriteAllBytes(folder.File("half.gguf"), bytes[..(bytes.Length / 2)]);
        File.WriteAllBytes(folder.File("header.gguf"), bytes[..20]);

        Refused(folder.File("absent.gguf"), LlamaErrorCode.ModelNotFound, "no file");
        Refused(folder.Path, LlamaErrorCode.ModelNotFound, "folder");
        Refused("", LlamaErrorCode.ModelNotFound, "empty");
        Refused(folder.File("text.gguf"), LlamaErrorCode.ModelNotLoaded, "no GGUF file");
        Refused(folder.File("empty.gguf"), LlamaErrorCode.ModelNotLoaded, "no GGUF file");
        Refused(folder.File("half.gguf"), LlamaErrorCode.ModelNotLoaded, "not within the file bounds");
        Refused(folder.File("header.gguf"), LlamaErrorCode.ModelNotLoaded, folder.Path);
    }

    [Fact]
    public void Progress_is_told_and_ends_at_one()
    {
        using var folder = new TempFolder();
        var seen = new List<float>();
        using var model = real.Runtime.Load(new ModelOptions { Path = TinyAt(folder.File("m.gguf")) }, new Told(seen.Add), CancellationToken.None);
        Assert.NotEmpty(seen);
        Assert.Equal(1, seen[^1]);
        Assert.Equal(seen.Order(), seen);
    }

    [Fact]
    public void Loading_can_be_cancelled_from_its_progress()
    {
        using var cancel = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() =>
            real.Runtime.Load(new ModelOptions { Path = RealModel.Path }, new Told(_ => cancel.Cancel()), cancel.Token));
        Assert.ThrowsAny<OperationCanceledException>(() => real.Runtime.Load(new ModelOptions { Path = RealModel.Path }, null, cancel.Token));
    }

    [Fact]
    public void A_progress_receiver_that_throws_surfaces()
    {
        var thrown = Assert.Throws<LlamaException>(() => real.Runtime.Load(
            new ModelOptions { Path = RealModel.Path }, new Told(_ => throw new InvalidDataException("deliberate")), CancellationToken.None));
        Assert.IsType<InvalidDataException>(thrown.InnerException);
    }

    [Fact]
    public void Layers_on_a_GPU_are_refused_by_natives_for_the_CPU_and_fall_back_with_natives_for_a_GPU_that_is_not_there()
    {
        var options = new ModelOptions { Path = RealModel.Path, GpuLayers = 99 };
        if (real.Runtime.Info is { SupportsGpu: false, GpuTrouble: null })
        {
            Refused(options, LlamaErrorCode.InvalidOption, "GPU");
            return;
        }

        using var model = real.Runtime.Load(options, null, CancellationToken.None);
        using var session = model.Open(new SessionOptions { ContextLength = 64, BatchSize = 64, Threads = 1 });
        using var sampler = session.CreateSampler(new SamplerOptions { Temperature = 0 });
        Assert.Single(real.Generate(session, "The capital of France is", sampler, 1));
    }

    [Theory]
    [InlineData("llama"), InlineData("qwen2"), InlineData("qwen3"), InlineData("phi3")]
    public void Tiny_models_of_each_architecture_decode(string architecture)
    {
        using var folder = new TempFolder();
        using var model = real.Runtime.Load(new ModelOptions { Path = new TinyModel { Architecture = architecture }.WriteTo(folder.File("m.gguf")) }, null, CancellationToken.None);
        using var session = model.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, Threads = 1 });
        var batch = new TokenBatch(64);
        var last = DecodeTests.Fill(batch, model.Vocabulary.Tokenize("the cat", false, false), 0);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        Assert.All(session.Logits(last).ToArray(), logit => Assert.True(float.IsFinite(logit)));
    }

    [Theory]
    [InlineData(false, false), InlineData(true, false), InlineData(true, true), InlineData(false, true)]
    public void Ways_of_reading_the_file_give_the_same_logits(bool mmap, bool mlock)
    {
        using var folder = new TempFolder();
        var path = TinyAt(folder.File("m.gguf"));
        Assert.Equal(Logits(new ModelOptions { Path = path }), Logits(new ModelOptions { Path = path, UseMmap = mmap, UseMlock = mlock }));
    }

    [Fact]
    public void A_model_disposed_before_its_session_stays_until_the_session_is_gone()
    {
        using var folder = new TempFolder();
        var model = real.Runtime.Load(new ModelOptions { Path = TinyAt(folder.File("m.gguf")) }, null, CancellationToken.None);
        var session = model.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, Threads = 1 });
        var batch = new TokenBatch(4);
        batch.Add(5, 0, 0, logits: true);
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.Open(new SessionOptions()));
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        session.Dispose();
        Assert.Throws<ObjectDisposedException>(() => session.Decode(batch));
        Assert.Throws<ObjectDisposedException>(() => session.Memory.Clear());
        Assert.Throws<ObjectDisposedException>(() => model.Vocabulary.Tokenize("x", false, false));
    }

    private static string TinyAt(string path) => new TinyModel().WriteTo(path);

    private float[] Logits(ModelOptions options)
    {
        using var model = real.Runtime.Load(options, null, CancellationToken.None);
        using var session = model.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, Threads = 1 });
        var batch = new TokenBatch(4);
        batch.Add(5, 0, 0, logits: true);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        return session.Logits(0).ToArray();
    }

    private void Refused(string path, LlamaErrorCode code, string says) => Refused(new ModelOptions { Path = path }, code, says);

    private void Refused(ModelOptions options, LlamaErrorCode code, string says)
    {
        var thrown = Assert.Throws<LlamaException>(() => real.Runtime.Load(options, null, CancellationToken.None));
        Assert.Equal(code, thrown.Code);
        Assert.Contains(says, thrown.Message, StringComparison.Ordinal);
    }

    /// <summary>Progress without a synchronisation context in between.</summary>
    private sealed class Told(Action<float> tell) : IProgress<float>
    {
        public void Report(float value) => tell(value);
    }
}
