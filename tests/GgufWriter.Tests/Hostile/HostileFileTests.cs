using System.Diagnostics;
using FinerCut.Gguf.Fuzz;

namespace FinerCut.Gguf.Tests.Hostile;

public sealed class HostileFileTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public static TheoryData<string> Names => [.. HostileFiles.All.Keys];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_refused_for_its_own_cause_quickly_and_in_little_memory(string name)
    {
        var (cause, bytes) = HostileFiles.All[name];
        File.WriteAllBytes(_folder["hostile.gguf"], bytes);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var clock = Stopwatch.StartNew();

        var e = Assert.Throws<GgufException>(() => GgufFile.Open(_folder["hostile.gguf"]));
        var report = GgufCheck.Check(_folder["hostile.gguf"]);

        Assert.Equal(cause, e.Cause);
        Assert.NotEmpty(e.Defect.Expected);
        Assert.Contains(_folder["hostile.gguf"], e.Message, StringComparison.Ordinal);
        Assert.Contains(report.Defects, defect => defect.Cause == cause);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(1), $"took {clock.Elapsed}");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100 << 20);
        Assert.Equal(cause, Exercise.Run(bytes));
    }

    [Fact]
    public void Every_prefix_of_a_small_file_is_refused_or_lacks_only_padding()
    {
        var bytes = Small();
        var needed = GgufModel.Parse(bytes, bytes.Length) is var model && model.Tensors[^1] is var last ? model.DataOffset + last.Offset + last.ByteCount : 0;
        for (var length = 0; length < bytes.Length; length++)
        {
            Assert.Equal(length >= needed, Exercise.Run(bytes[..length]) is null);
        }
    }

    [Fact]
    public void Every_single_bit_flip_is_refused_or_read_as_an_independent_reader_reads_it()
    {
        var bytes = Small();
        var metadata = (int)GgufModel.Parse(bytes, bytes.Length).DataOffset;
        var refused = new HashSet<GgufCause>();
        for (var bit = 0; bit < metadata * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            if (Exercise.Run(bytes) is { } cause) refused.Add(cause);
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
        Assert.True(refused.Count >= 15, string.Join(", ", refused));
    }

    [Fact]
    public void A_check_tells_all_defects_at_once_with_place_and_name()
    {
        var bytes = RawFile.Header(tensors: 4, keys: 4)
            .KeyU32("k", 1).KeyU32("k", 2).KeyU32("", 3).Text("flag").U32(7).Raw([9])
            .TensorInfo("a", [33], (int)GgmlType.Q4_0, 0).TensorInfo("b", [4], 99, 0).TensorInfo("c", [4], 0, 5).TensorInfo("c", [1000], 0, 32).Data(64).ToArray();
        var defects = GgufCheck.Check(bytes);
        Assert.Equal(
            [GgufCause.KeyDuplicate, GgufCause.KeyEmpty, GgufCause.BoolInvalid, GgufCause.RowNotWholeBlocks, GgufCause.TensorTypeUnknown, GgufCause.TensorDuplicate, GgufCause.OffsetMisaligned],
            defects.Where(defect => defect.Cause < GgufCause.TrailingBytes).Select(defect => defect.Cause));
        Assert.Equal("k", defects[0].Name);
        Assert.Equal(24 + 8 + 1 + 4 + 4, defects[0].Offset);
        Assert.Contains("a multiple of 32", defects[3].Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_or_empty_file_and_a_folder_are_told_as_such()
    {
        File.WriteAllBytes(_folder["empty.gguf"], []);
        Assert.Equal(GgufCause.NotGguf, Assert.Throws<GgufException>(() => GgufFile.Open(_folder["empty.gguf"])).Cause);
        Assert.Equal(GgufCause.Unreadable, Assert.Throws<GgufException>(() => GgufFile.Open(_folder["none.gguf"])).Cause);
        Assert.Equal(GgufCause.Unreadable, Assert.Throws<GgufException>(() => GgufFile.Open(_folder.Path)).Cause);
    }

    [Fact]
    public void Control_characters_of_a_name_do_not_reach_the_message()
    {
        var e = Assert.Throws<GgufException>(() => GgufModel.Parse(RawFile.OneTensor([0], name: "w\u001b[2J").ToArray(), 1000));
        Assert.DoesNotContain('\u001b', e.Message);
    }

    private static byte[] Small() => Samples.Written(new GgufEdit()
        .Set("general.architecture", "test").Set("general.alignment", 32u).Set("n", GgufValue.Of(5UL)).Set("on", true)
        .Set("texts", GgufValue.ArrayOf((string[])["one", "two"])).Set("numbers", GgufValue.ArrayOf(1, 2, 3))
        .Add(Samples.Tensor("a", GgmlType.Q4_0, 1, 64, 2)).Add(Samples.Tensor("b", GgmlType.F32, 2, 3, 2)).Add(Samples.Tensor("c", GgmlType.I8, 3, 5)));
}
