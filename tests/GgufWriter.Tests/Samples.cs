namespace FinerCut.Gguf.Tests;

/// <summary>Small sound files with something of everything in them.</summary>
public static class Samples
{
    public static byte[] RandomBytes(int seed, long count)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static GgufTensorPlan Tensor(string name, GgmlType type, int seed, params long[] shape) =>
        new(name, type, [.. shape], GgufContent.Bytes(RandomBytes(seed, GgmlTypes.ByteCount(type, shape))));

    public static GgufEdit EveryType()
    {
        var edit = new GgufEdit()
            .Set("general.architecture", "test")
            .Set("k.u8", GgufValue.Of<byte>(200)).Set("k.i8", GgufValue.Of<sbyte>(-100))
            .Set("k.u16", GgufValue.Of<ushort>(65535)).Set("k.i16", GgufValue.Of<short>(-32768))
            .Set("k.u32", uint.MaxValue).Set("k.i32", int.MinValue)
            .Set("k.u64", GgufValue.Of(ulong.MaxValue)).Set("k.i64", GgufValue.Of(long.MinValue))
            .Set("k.f32", 1.5f).Set("k.f64", GgufValue.Of(Math.PI)).Set("k.bool", true).Set("k.str", "größe 🦙")
            .Set("k.empty", "")
            .Set("a.u8", GgufValue.ArrayOf<byte>(1, 2, 3)).Set("a.i32", GgufValue.ArrayOf(-1, 0, 1)).Set("a.u32", GgufValue.ArrayOf(9u, 3u, 0u))
            .Set("a.f32", GgufValue.ArrayOf(0.5f, -2f)).Set("a.bool", GgufValue.ArrayOf(true, false)).Set("a.i64", GgufValue.ArrayOf(1L, -5L))
            .Set("a.str", GgufValue.ArrayOf((string[])["a", "", "🦙🦙"])).Set("a.none", GgufValue.ArrayOf<float>());
        var seed = 1;
        foreach (var type in Enum.GetValues<GgmlType>()) edit.Add(Tensor($"t.{type}", type, seed++, GgmlTypes.Of(type).BlockSize * 2, 3));
        edit.Add(Tensor("t.odd", GgmlType.I8, seed++, 5)).Add(Tensor("t.four", GgmlType.F32, seed, 2, 3, 4, 5));
        return edit;
    }

    public static byte[] Written(GgufEdit edit)
    {
        using var folder = new TempFolder();
        GgufWriter.Write(edit, folder["sample.gguf"]);
        return File.ReadAllBytes(folder["sample.gguf"]);
    }
}
