using FinerCut.TestModels;

namespace FinerCut.Gguf.Tests.Shards;

public sealed class ShardTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Shard(int number, int count = 3) => _folder[$"m-{number:D5}-of-{count:D5}.gguf"];

    private int Split(long maxBytes = 250_000)
    {
        new TinyModel { Blocks = 3 }.WriteTo(_folder["whole.gguf"]);
        using var file = GgufFile.Open(_folder["whole.gguf"]);
        return GgufSplitter.Write(new GgufEdit(file), _folder["m"], maxBytes).Count;
    }

    private static void Edit(string path, Action<GgufEdit> edit)
    {
        using var file = GgufFile.Open(path);
        var plan = new GgufEdit(file);
        edit(plan);
        GgufWriter.Write(plan, path);
    }

    [Theory]
    [InlineData(60_000)]
    [InlineData(200_000)]
    [InlineData(10_000_000)]
    public void Split_then_merge_is_the_original_and_shards_keep_the_size(long maxBytes)
    {
        var count = Split(maxBytes);
        var files = Directory.GetFiles(_folder.Path, "m-*");
        Assert.Equal(count, files.Length);
        Assert.All(files, file => Assert.True(new FileInfo(file).Length <= Math.Max(maxBytes, 80_000)));
        using (var shards = GgufShards.Open(Shard(1, count)))
        {
            Assert.NotNull(shards.Find("blk.2.ffn_down.weight"));
            GgufWriter.Write(shards.Merge(), _folder["merged.gguf"]);
        }
        Assert.Equal(File.ReadAllBytes(_folder["whole.gguf"]), File.ReadAllBytes(_folder["merged.gguf"]));
        Assert.Empty(GgufCheck.Check(Shard(1, count)).Defects);
    }

    [Fact]
    public void A_set_is_not_replaced()
    {
        Split();
        using var file = GgufFile.Open(_folder["whole.gguf"]);
        var e = Assert.Throws<GgufWriteException>(() => GgufSplitter.Write(new GgufEdit(file), _folder["m"], 250_000));
        Assert.Equal(GgufWriteCause.Duplicate, e.Cause);
    }

    [Fact]
    public void Cancelling_leaves_no_shard()
    {
        new TinyModel().WriteTo(_folder["whole.gguf"]);
        using var file = GgufFile.Open(_folder["whole.gguf"]);
        using var source = new CancellationTokenSource();
        var progress = new CancelAt(source, 300_000);
        Assert.Throws<OperationCanceledException>(() => GgufSplitter.Write(new GgufEdit(file), _folder["m"], 200_000, progress, source.Token));
        Assert.Equal(["whole.gguf"], Directory.EnumerateFiles(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void A_missing_shard_is_named()
    {
        Assert.Equal(3, Split());
        File.Delete(Shard(2));
        Refused(GgufCause.ShardMissing, "m-00002-of-00003.gguf");
    }

    [Fact]
    public void A_wrong_split_number_is_told()
    {
        Split();
        Edit(Shard(3), edit => edit.Set(GgufKeys.SplitNumber, GgufValue.Of((ushort)1)));
        Refused(GgufCause.ShardNumberWrong, "m-00003-of-00003.gguf: split.no");
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(65535)]
    public void A_wrong_split_count_is_told(int count)
    {
        Split();
        Edit(Shard(1), edit => edit.Set(GgufKeys.SplitCount, GgufValue.Of((ushort)count)));
        Refused(GgufCause.ShardCountWrong, "m-00001-of-00003.gguf: split.count");
    }

    [Fact]
    public void A_wrong_number_of_tensors_is_told()
    {
        Split();
        Edit(Shard(1), edit => edit.Set(GgufKeys.SplitTensorCount, 7));
        Refused(GgufCause.ShardTensorCountWrong, GgufKeys.SplitTensorCount);
    }

    [Fact]
    public void A_tensor_in_two_shards_is_told()
    {
        Split();
        Edit(Shard(3), edit => edit.Add(Samples.Tensor("token_embd.weight", GgmlType.F32, 1, 64, 279)));
        Refused(GgufCause.TensorDuplicate, "token_embd.weight");
    }

    [Theory]
    [InlineData("..-00001-of-00003.gguf")]
    [InlineData("a..b-00001-of-00003.gguf")]
    [InlineData("m-00001-of-00000.gguf")]
    [InlineData("m-00004-of-00003.gguf")]
    [InlineData("m-1-of-3.gguf")]
    [InlineData("m.gguf")]
    public void A_name_that_is_no_shards_is_told(string name)
    {
        Split();
        File.Copy(Shard(1), _folder[name]);
        Assert.Equal(GgufCause.ShardNameInvalid, Assert.Throws<GgufException>(() => GgufShards.Open(_folder[name])).Cause);
        Assert.Contains(GgufCheck.Check(_folder[name]).Defects, defect => defect.Cause == GgufCause.ShardNameInvalid);
    }

    [Fact]
    public void A_broken_shard_is_told_with_its_name()
    {
        Split();
        using (var shard = new FileStream(Shard(2), FileMode.Open)) shard.SetLength(shard.Length / 2);
        Assert.Equal(GgufCause.TensorPastEnd, Assert.Throws<GgufException>(() => GgufShards.Open(Shard(1))).Cause);
        Assert.Contains(GgufCheck.Check(Shard(1)).Defects,
            defect => defect.Cause == GgufCause.TensorPastEnd && defect.Name!.StartsWith("m-00002-of-00003.gguf: ", StringComparison.Ordinal));
    }

    private void Refused(GgufCause cause, string name)
    {
        Assert.Equal(cause, Assert.Throws<GgufException>(() => GgufShards.Open(Shard(1))).Cause);
        Assert.Contains(GgufCheck.Check(Shard(1)).Defects, defect => defect.Cause == cause && defect.Name == name);
    }

    private sealed class CancelAt(CancellationTokenSource source, long bytes) : IProgress<GgufProgress>
    {
        public void Report(GgufProgress value)
        {
            if (value.BytesDone > bytes) source.Cancel();
        }
    }
}
