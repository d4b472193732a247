using System.Security.Cryptography;

namespace FinerCut.Gguf.Tests.Writing;

public sealed class RoundTripTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_type_of_value_and_tensor_reads_back_as_written()
    {
        var edit = Samples.EveryType();
        GgufWriter.Write(edit, _folder["a.gguf"]);
        using var file = GgufFile.Open(_folder["a.gguf"]);

        Assert.Equal(edit.KeyValues, file.Model.KeyValues);
        Assert.Equal(200, file.Model.Get("k.u8").Get<byte>());
        Assert.Equal(-32768, file.Model.Get("k.i16").GetInteger());
        Assert.Equal(ulong.MaxValue, file.Model.Get("k.u64").Get<ulong>());
        Assert.Equal(Math.PI, file.Model.Get("k.f64").GetNumber());
        Assert.True(file.Model.Get("k.bool").Get<bool>());
        Assert.Equal("größe 🦙", file.Model.GetText("k.str"));
        Assert.Equal(["a", "", "🦙🦙"], file.Model.Get("a.str").GetTexts());
        Assert.Equal([9, 3, 0], file.Model.GetInt32s("a.u32", 3));
        Assert.Equal([0.5f, -2f], file.Model.Get("a.f32").GetElements<float>().ToArray());
        var seed = 1;
        foreach (var tensor in file.Model.Tensors)
        {
            Assert.Equal(Samples.RandomBytes(seed++, tensor.ByteCount), file.Data(tensor).ToArray());
        }
    }

    [Theory]
    [InlineData(8)]
    [InlineData(64)]
    [InlineData(4096)]
    public void Custom_alignment_is_kept(int alignment)
    {
        GgufWriter.Write(Samples.EveryType().Set(GgufKeys.Alignment, (uint)alignment), _folder["a.gguf"]);
        using var file = GgufFile.Open(_folder["a.gguf"]);
        Assert.Equal(alignment, file.Model.Alignment);
        Assert.All(file.Model.Tensors, tensor => Assert.Equal(0, (file.Model.DataOffset + tensor.Offset) % alignment));
    }

    [Fact]
    public void The_embedded_model_is_rewritten_byte_for_byte()
    {
        using (var file = GgufFile.Open(TempFolder.EmbeddedModel)) GgufWriter.Write(new GgufEdit(file), _folder["copy.gguf"]);
        Assert.Equal("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", Hash(_folder["copy.gguf"]));
    }

    [Fact]
    public void Edits_do_what_they_say_and_give_the_same_bytes_twice()
    {
        GgufWriter.Write(Samples.EveryType(), _folder["a.gguf"]);
        using var file = GgufFile.Open(_folder["a.gguf"]);
        foreach (var name in (string[])["b.gguf", "c.gguf"])
        {
            var edit = new GgufEdit(file);
            edit.Set("k.u32", 7u).Set("k.new", "x").RenameKey("k.i32", "k.renamed").RenameTensor("t.F32", "t.renamed");
            Assert.True(edit.Remove("k.bool"));
            Assert.True(edit.Drop("t.F16"));
            edit.Replace("t.F64", GgufTensorPlan.Floats("t.F64", [2], [1, 2])).Reorder(tensor => tensor.Name == "t.four" ? 0 : 1);
            GgufWriter.Write(edit, _folder[name]);
        }
        Assert.Equal(Hash(_folder["b.gguf"]), Hash(_folder["c.gguf"]));

        using var edited = GgufFile.Open(_folder["b.gguf"]);
        Assert.Equal(7, edited.Model.GetInt32("k.u32"));
        Assert.Equal("x", edited.Model.GetText("k.new"));
        Assert.Equal(int.MinValue, edited.Model.Get("k.renamed").GetInteger());
        Assert.Null(edited.Model.Find("k.bool"));
        Assert.Null(edited.Model.FindTensor("t.F16"));
        Assert.Equal("t.four", edited.Model.Tensors[0].Name);
        Assert.Equal(file.Data(file.Model.GetTensor("t.F32")).ToArray(), edited.Data(edited.Model.GetTensor("t.renamed")).ToArray());
        Assert.Equal(file.Data(file.Model.GetTensor("t.Q6_K")).ToArray(), edited.Data(edited.Model.GetTensor("t.Q6_K")).ToArray());
        Assert.Equal(GgmlType.F32, edited.Model.GetTensor("t.F64").Type);
    }

    [Fact]
    public void The_target_may_be_the_source()
    {
        GgufWriter.Write(Samples.EveryType(), _folder["a.gguf"]);
        using (var file = GgufFile.Open(_folder["a.gguf"]))
        {
            GgufWriter.Write(new GgufEdit(file).Set("k.u32", 1u), _folder["a.gguf"]);
            Assert.Equal(uint.MaxValue, file.Model.Get("k.u32").Get<uint>());
        }
        using var again = GgufFile.Open(_folder["a.gguf"]);
        Assert.Equal(1u, again.Model.Get("k.u32").Get<uint>());
        Assert.Equal(["a.gguf"], Directory.EnumerateFiles(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void Between_file_systems_the_buffer_does_what_the_kernel_cannot()
    {
        // copy_file_range refuses to go from tmpfs to a disk; elsewhere this is one more copy.
        var other = Directory.Exists("/dev/shm") ? "/dev/shm" : _folder.Path;
        var source = Path.Combine(other, $"gguf-test-{Guid.NewGuid():N}.gguf");
        try
        {
            GgufWriter.Write(Samples.EveryType().Add(Samples.Tensor("big", GgmlType.I8, 7, 9_000_001)), source);
            using (var file = GgufFile.Open(source)) GgufWriter.Write(new GgufEdit(file), _folder["copy.gguf"]);
            Assert.Equal(Hash(source), Hash(_folder["copy.gguf"]));
        }
        finally
        {
            File.Delete(source);
        }
    }

    private static string Hash(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
