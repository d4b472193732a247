namespace FinerCut.Gguf.Tests.Writing;

public sealed class FailureTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public FailureTests() => File.WriteAllText(_folder["old.gguf"], "old");

    public void Dispose() => _folder.Dispose();

    private void OldFileIsUntouched()
    {
        Assert.Equal("old", File.ReadAllText(_folder["old.gguf"]));
        Assert.Equal(["old.gguf"], Directory.EnumerateFiles(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void A_full_disk_is_told_before_the_first_byte()
    {
        var wanted = new GgufTensorPlan("w", GgmlType.I8, [1L << 52], GgufContent.Streamed(1L << 52, (_, _) => Assert.Fail("written to")));
        var e = Assert.Throws<GgufWriteException>(() => GgufWriter.Write(new GgufEdit().Add(wanted), _folder["old.gguf"]));
        Assert.Equal(GgufWriteCause.DiskFull, e.Cause);
        Assert.Contains("4503599627370", e.Message, StringComparison.Ordinal);
        OldFileIsUntouched();
    }

    [Fact]
    public void A_missing_folder_is_told()
    {
        var e = Assert.Throws<GgufWriteException>(() => GgufWriter.Write(Samples.EveryType(), _folder["none/x.gguf"]));
        Assert.Equal(GgufWriteCause.NotWritable, e.Cause);
    }

    [Theory]
    [InlineData(99)]
    [InlineData(101)]
    public void Content_of_another_length_than_announced_is_refused(int given)
    {
        var plan = new GgufTensorPlan("w", GgmlType.I8, [100], GgufContent.Streamed(100, (stream, _) => stream.Write(new byte[given])));
        var e = Assert.Throws<GgufWriteException>(() => GgufWriter.Write(new GgufEdit().Add(plan), _folder["old.gguf"]));
        Assert.Equal(GgufWriteCause.ContentLength, e.Cause);
        OldFileIsUntouched();
    }

    [Fact]
    public void Cancelling_in_the_middle_leaves_the_old_file()
    {
        using var source = new CancellationTokenSource();
        var plan = new GgufTensorPlan("w", GgmlType.I8, [100 << 20], GgufContent.Streamed(100 << 20, (stream, _) =>
        {
            for (var i = 0; i < 100; i++) stream.Write(new byte[1 << 20]);
        }));
        var seen = new List<GgufProgress>();
        var progress = new Reports(report =>
        {
            seen.Add(report);
            if (report.BytesDone > 20 << 20) source.Cancel();
        });
        Assert.Throws<OperationCanceledException>(() => GgufWriter.Write(new GgufEdit().Add(plan), _folder["old.gguf"], progress, source.Token));
        Assert.InRange(seen[^1].BytesDone, 20 << 20, 40 << 20);
        Assert.All(seen, report => Assert.InRange(report.BytesTotal, 100 << 20, 101 << 20));
        OldFileIsUntouched();
    }

    [Fact]
    public void A_source_that_was_shortened_meanwhile_is_told()
    {
        GgufWriter.Write(new GgufEdit().Add(Samples.Tensor("w", GgmlType.I8, 1, 3 << 20)), _folder["source.gguf"]);
        using var file = GgufFile.Open(_folder["source.gguf"]);
        using (var shorter = new FileStream(_folder["source.gguf"], FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) shorter.SetLength(1 << 20);
        var e = Assert.Throws<GgufWriteException>(() => GgufWriter.Write(new GgufEdit(file), _folder["old.gguf"]));
        Assert.Equal(GgufWriteCause.SourceChanged, e.Cause);
        Assert.Equal("old", File.ReadAllText(_folder["old.gguf"]));
    }

    [Fact]
    public void Plans_that_no_reader_takes_are_refused()
    {
        Assert.Equal(GgufWriteCause.PlanInvalid, Refused(new GgufEdit().Set("", 1u)));
        Assert.Equal(GgufWriteCause.PlanInvalid, Refused(new GgufEdit().Set(GgufKeys.Alignment, 3u)));
        Assert.Equal(GgufWriteCause.PlanInvalid, Refused(new GgufEdit().Set(GgufKeys.Alignment, 32)));
        Assert.Equal(GgufWriteCause.PlanInvalid, Refused(new GgufEdit { Version = 4 }));
        Assert.Equal(GgufWriteCause.PlanInvalid, Refused(new GgufEdit().Add(Samples.Tensor(new('n', 64), GgmlType.I8, 1, 1))));
        OldFileIsUntouched();
    }

    private GgufWriteCause Refused(GgufEdit edit) => Assert.Throws<GgufWriteException>(() => GgufWriter.Write(edit, _folder["old.gguf"])).Cause;

    private sealed class Reports(Action<GgufProgress> report) : IProgress<GgufProgress>
    {
        public void Report(GgufProgress value) => report(value);
    }
}
