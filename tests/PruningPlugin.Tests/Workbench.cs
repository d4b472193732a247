using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests;

/// <summary>A model on the disk with what tests need of it; removes its folder at the end.</summary>
internal sealed class Workbench : IDisposable
{
    // One: with more, ggml spins at every node and tests that share the processors crawl.
    public const int Threads = 1;

    private readonly string? _folder;

    private Workbench(string path, string? folder, int gpuLayers = 0)
    {
        Path = path;
        _folder = folder;
        File = GgufFile.Open(path);
        Shape = ModelShapeReader.Read(File.Model);
        Model = Load(path, gpuLayers);
    }

    public string Path { get; }

    public GgufFile File { get; }

    public ModelShape Shape { get; }

    public ILlamaModel Model { get; }

    /// <param name="change">Done to the plan before it is written.</param>
    public static Workbench Tiny(TinyModel model, Action<GgufEdit>? change = null, int gpuLayers = 0)
    {
        var folder = Directory.CreateTempSubdirectory("finercut-prune-").FullName;
        var path = System.IO.Path.Combine(folder, "model.gguf");
        var plan = model.Plan();
        change?.Invoke(plan);
        GgufWriter.Write(plan, path);
        return new Workbench(path, folder, gpuLayers);
    }

    /// <summary>A file that is there already.</summary>
    public static Workbench At(string path) => new(path, null);

    public static Workbench SmolLm() => new(SmolLmPath, null);

    public static string SmolLmPath
    {
        get
        {
            for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            {
                var path = System.IO.Path.Combine(folder.FullName, "models", "SmolLM2-135M-Instruct.Q4_1.gguf");
                if (System.IO.File.Exists(path)) return path;
            }

            throw new FileNotFoundException("models/SmolLM2-135M-Instruct.Q4_1.gguf above the test's folder");
        }
    }

    public static ILlamaModel Load(string path, int gpuLayers = 0) => NativeRuntime.Open().Load(new ModelOptions { Path = path, GpuLayers = gpuLayers }, null, CancellationToken.None);

    /// <summary>Random tokens, for models that were never taught any.</summary>
    public CalibrationSet RandomTokens(int seed, params int[] lengths)
    {
        var random = new Random(seed);
        return new CalibrationSet($"random {seed}", [.. lengths.Select((length, index) =>
            new TokenSequence($"{seed}-{index}", [.. Enumerable.Range(0, length).Select(_ => random.Next(3, Model.Info.VocabularySize))], length / 2))]);
    }

    /// <summary>Logits of the whole set under a mask [row][vocabulary].</summary>
    /// <param name="afterFull">Each decode after one of the full model: what is not computed is not zero by chance.</param>
    public float[][] MaskedLogits(CalibrationSet set, CutMask mask, bool afterFull = false)
    {
        var batches = TokenBatches.Pack(set, 128);
        using var masked = new MaskedModel(Model, Shape, batches.Capacity, Threads);
        return [.. batches.Batches.SelectMany(batch =>
        {
            if (afterFull) masked.Decode(batch, CutMask.None(mask.Units), CancellationToken.None);
            masked.Decode(batch, mask, CancellationToken.None);
            return Rows(masked.Decoder, batch.Tokens);
        })];
    }

    /// <summary>The same of a file, decoded without any observer.</summary>
    public static float[][] FileLogits(string path, CalibrationSet set, int gpuLayers = 0)
    {
        var batches = TokenBatches.Pack(set, 128);
        using var model = Load(path, gpuLayers);
        using var decoder = new TokenDecoder(model, batches.Capacity, Threads, null);
        return [.. batches.Batches.SelectMany(batch =>
        {
            decoder.Decode(batch, CancellationToken.None);
            return Rows(decoder, batch.Tokens);
        })];
    }

    /// <summary>Writes the lean file for the mask and returns its path.</summary>
    public string Rewrite(CutMask mask)
    {
        var folder = _folder ?? Directory.CreateTempSubdirectory("finercut-prune-").FullName;
        var path = System.IO.Path.Combine(folder, "lean.gguf");
        var plan = Rewriters.For(Shape.Architecture).Plan(File, mask, new Provenance(new string('0', 64), ["attn:0"], [0.5], "test"));
        GgufWriter.Write(plan, path);
        return path;
    }

    public static double MaxDifference(float[][] left, float[][] right)
    {
        Assert.Equal(left.Length, right.Length);
        var max = 0.0;
        for (var row = 0; row < left.Length; row++)
        {
            for (var at = 0; at < left[row].Length; at++)
            {
                var difference = Math.Abs((double)left[row][at] - right[row][at]);
                if (!(difference <= max)) max = difference;
            }
        }

        return max;
    }

    public void Dispose()
    {
        Model.Dispose();
        File.Dispose();
        if (_folder is not null) Directory.Delete(_folder, recursive: true);
    }

    private static float[][] Rows(TokenDecoder decoder, int count) => [.. Enumerable.Range(0, count).Select(row => decoder.Logits(row).ToArray())];
}
