using System.Collections.Immutable;
using FinerCut.Masks;
using FinerCut.Pruning.Budgets;
using FinerCut.Runtime;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Budgets;

public sealed class DecodeProbeTests
{
    /// <summary>
    /// Times are what the machine says, so only a ratio that no load turns round is judged: an FFN of 2,048 channels against one of 32 in the same run.
    /// </summary>
    [Fact]
    public void Large_sublayers_take_longer_than_small_ones_and_absent_ones_take_nothing()
    {
        using var bench = Workbench.Tiny(new TinyModel { Seed = 9, Blocks = 4, Embedding = 256, Heads = 4, KvHeads = 2, FeedForward = 4096, Weights = Gguf.GgmlType.F32 });
        var units = UnitMap.Sublayers(bench.Shape, 64);
        var mask = CutMask.None(units).With(units.IndexOf(new Unit(new Sublayer(2, SublayerKind.Attention), 0)));
        using var lean = Workbench.At(bench.Rewrite(mask));
        var times = DecodeProbe.Measure(bench.Model, bench.Shape, 40, Workbench.Threads, TimeProvider.System, CancellationToken.None);
        Assert.Equal(8, times.Length);
        Assert.All(times, time => Assert.True(time > 0));
        long Sum(ImmutableArray<long> all, SublayerKind kind) => all.Where((_, order) => order % 2 == (int)kind).Sum();

        // 3 x 256 x 4096 multiplications a token against 2 x 256 x 256 + 2 x 256 x 128: sixteen times as many.
        Assert.True(Sum(times, SublayerKind.Ffn) > 2 * Sum(times, SublayerKind.Attention), string.Join(' ', times));
        var ofLean = DecodeProbe.Measure(lean.Model, lean.Shape, 40, Workbench.Threads, TimeProvider.System, CancellationToken.None);
        Assert.Equal(lean.Shape.Sublayers().Select(sublayer => sublayer.Order), Enumerable.Range(0, ofLean.Length).Where(order => ofLean[order] > 0));
        Assert.Equal(7, ofLean.Count(time => time > 0));
    }

    [Fact]
    public void The_context_is_as_long_as_asked_and_no_longer_than_the_model_knows()
    {
        using var bench = Workbench.Tiny(new TinyModel { Seed = 9, Blocks = 1 });
        Assert.Equal(7, DecodeProbe.ContextOf(7, bench.Model));
        Assert.InRange(DecodeProbe.ContextOf(1_000_000, bench.Model), 1, bench.Model.Info.ContextLength);
    }

    [Fact]
    public void Kept_times_are_read_again_and_those_of_another_model_are_not()
    {
        var folder = Directory.CreateTempSubdirectory("finercut-times-").FullName;
        try
        {
            var path = Path.Combine(folder, "decode-times.json");
            Assert.Null(SublayerTimes.Read(path, "a"));
            new SublayerTimes("a", 512, [1, 2, 3, 4]).Write(path);
            Assert.Equal([1L, 2, 3, 4], SublayerTimes.Read(path, "a")!.Nanoseconds);
            Assert.Null(SublayerTimes.Read(path, "b"));
            File.WriteAllText(path, "{");
            Assert.Null(SublayerTimes.Read(path, "a"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
