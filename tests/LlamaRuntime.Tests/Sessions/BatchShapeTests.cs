using FinerCut.Gguf;
using FinerCut.Runtime;
using FinerCut.TestModels;

namespace FinerCut.Tests.LlamaRuntime;

/// <summary>
/// When a token's logits depend on what is computed beside it. ggml has another kernel for one row than for several (llamafile's sgemm), and another
/// attention for many queries than for few: they round otherwise. Weights without an sgemm (Q5_1) and KV memory without a tiled attention (Q8_0) have
/// one kernel for all shapes.
/// </summary>
[Collection(nameof(RealModelTests))]
public sealed class BatchShapeTests(RealModel real)
{
    private const int Sequences = 8;
    private const int Length = 90;

    [Fact]
    public void Logits_do_not_depend_on_the_batch_where_there_is_one_kernel_for_all_shapes()
    {
        var (shapes, worst) = Differences(GgmlType.Q5_1, KvType.Q8_0, Compare);
        Assert.True(worst == 0, $"{shapes}: logits differ by {worst}");
    }

    [Theory]
    [InlineData(GgmlType.F32, KvType.F16)]
    [InlineData(GgmlType.Q5_1, KvType.F16)]
    [InlineData(GgmlType.F32, KvType.F32)]
    [InlineData(GgmlType.F32, KvType.Q8_0)]
    public void Elsewhere_they_differ_by_rounding(GgmlType weights, KvType kv)
    {
        var (shapes, worst) = Differences(weights, kv, Compare);
        TestContext.Current.TestOutputHelper?.WriteLine($"{weights} {kv} {shapes}: {worst}");
        Assert.InRange(worst, 0, 0.5);
    }

    private static double Compare(float[] one, float[] other)
    {
        var worst = 0.0;
        for (var i = 0; i < one.Length; i++) worst = Math.Max(worst, Math.Abs(one[i] - (double)other[i]));
        return worst;
    }

    /// <summary>Computes the same sequences in several shapes, and compares the logits of every token with those of one token at a time.</summary>
    private (string Shape, double Worst) Differences(GgmlType weights, KvType kv, Func<float[], float[], double> compare)
    {
        var folder = Directory.CreateTempSubdirectory("finercut-shapes-");
        try
        {
            var path = new TinyModel { Weights = weights, HeadSize = 32, ContextLength = 1024 }.WriteTo(Path.Combine(folder.FullName, "tiny.gguf"));
            using var model = real.Runtime.Load(new ModelOptions { Path = path }, null, CancellationToken.None);
            var random = new Random(7);
            var texts = Enumerable.Range(0, Sequences).Select(_ => Enumerable.Range(0, Length).Select(_ => random.Next(3, 250)).ToArray()).ToArray();
            var single = Compute(model, kv, texts, (1, 1));
            var worst = ("", 0.0);
            foreach (var shape in ((int, int)[])[(1, 2), (1, 7), (1, Length), (2, 1), (Sequences, 1), (Sequences, 3), (Sequences, Length)])
            {
                var found = Compute(model, kv, texts, shape).Zip(single, compare).Max();
                if (found > worst.Item2) worst = (shape.ToString(), found);
            }

            return worst;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <param name="shape">Sequences in a batch, and tokens of each.</param>
    private static List<float[]> Compute(ILlamaModel model, KvType kv, int[][] texts, (int Sequences, int Tokens) shape)
    {
        using var session = model.Open(new SessionOptions
        {
            ContextLength = 1024, BatchSize = 1024, MicroBatchSize = 1024, MaxSequences = Sequences, Threads = 1, KeyType = kv, ValueType = kv,
        });
        var logits = new float[Sequences * Length][];
        var batch = new TokenBatch(1024);
        for (var first = 0; first < Sequences; first += shape.Sequences)
        {
            for (var from = 0; from < Length; from += shape.Tokens)
            {
                batch.Clear();
                var places = new List<int>();
                for (var sequence = first; sequence < first + shape.Sequences; sequence++)
                {
                    for (var at = from; at < Math.Min(Length, from + shape.Tokens); at++)
                    {
                        batch.Add(texts[sequence][at], at, sequence, logits: true);
                        places.Add((sequence * Length) + at);
                    }
                }

                Assert.Equal(DecodeStatus.Done, session.Decode(batch));
                for (var i = 0; i < places.Count; i++) logits[places[i]] = session.Logits(i).ToArray();
            }
        }

        return [.. logits];
    }
}
