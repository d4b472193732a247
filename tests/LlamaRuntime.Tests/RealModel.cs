using FinerCut.Runtime;
using FinerCut.Runtime.Native;

namespace FinerCut.Tests.LlamaRuntime;

/// <summary>The embedded model, loaded once for all tests: without repacking, as the scorer uses it.</summary>
public sealed class RealModel : IDisposable
{
    public RealModel()
    {
        Runtime = NativeRuntime.Open();
        Model = Runtime.Load(new ModelOptions { Path = Path, Repack = false }, null, CancellationToken.None);
    }

    public static string Path { get; } = System.IO.Path.Combine(RepositoryRoot(), "models", "SmolLM2-135M-Instruct.Q4_1.gguf");

    public NativeRuntime Runtime { get; }

    public ILlamaModel Model { get; }

    public void Dispose() => Model.Dispose();

    /// <summary>A session of one thread: two wait for each other by spinning, which is slow beside other processes.</summary>
    public ILlamaSession Open(SessionOptions? options = null) => Model.Open((options ?? new SessionOptions { ContextLength = 512, BatchSize = 512 }) with { Threads = 1 });

    public int[] Tokens(string text) => Model.Vocabulary.Tokenize(text, addSpecial: false, parseSpecial: true);

    public string Text(IEnumerable<int> tokens)
    {
        var bytes = new List<byte>();
        Span<byte> piece = stackalloc byte[256];
        foreach (var token in tokens)
        {
            var length = Model.Vocabulary.Piece(token, piece, special: true);
            bytes.AddRange(piece[..length]);
        }

        return System.Text.Encoding.UTF8.GetString([.. bytes]);
    }

    /// <summary>Decodes a prompt into sequence 0 and samples until the count is reached.</summary>
    public int[] Generate(ILlamaSession session, string prompt, ISampler sampler, int count, int sequence = 0)
    {
        var batch = new TokenBatch(session.Info.BatchSize);
        var tokens = Tokens(prompt);
        for (var i = 0; i < tokens.Length; i++) batch.Add(tokens[i], i, sequence, logits: i == tokens.Length - 1);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        var made = new List<int>();
        var last = tokens.Length - 1;
        for (var position = tokens.Length; ; position++)
        {
            made.Add(sampler.Sample(last));
            if (made.Count == count || Model.Vocabulary.IsEndOfGeneration(made[^1])) return [.. made];
            batch.Clear();
            last = batch.Add(made[^1], position, sequence, logits: true);
            Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        }
    }

    private static string RepositoryRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "FinerCut.Gateway.sln"))) return folder.FullName;
        }

        throw new InvalidOperationException("FinerCut.Gateway.sln is not above the tests.");
    }
}

/// <summary>Tests that share the model; they run one after the other, since two cores decode one thing at a time best.</summary>
[CollectionDefinition(nameof(RealModelTests))]
public sealed class RealModelTests : ICollectionFixture<RealModel>;
