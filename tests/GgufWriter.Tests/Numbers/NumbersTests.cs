using System.Runtime.InteropServices;

namespace FinerCut.Gguf.Tests.Numbers;

/// <summary>Our tables and numbers against the native library's.</summary>
public sealed class NumbersTests : IDisposable
{
    private const int Seed = 20260101;

    private readonly TempFolder _folder = new();

    public static TheoryData<GgmlType> Decodable => [.. Enum.GetValues<GgmlType>().Where(GgmlDecoder.CanDecode)];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_table_of_types_is_the_librarys()
    {
        // 43 is GGML_TYPE_COUNT; the removed numbers have size 0 there.
        for (var type = 0; type < 43; type++)
        {
            var known = GgmlTypes.TryGet((GgmlType)type, out var info);
            Assert.Equal(NativeGgml.TypeSize(type) > 0, known);
            if (!known) continue;
            Assert.Equal((NativeGgml.TypeName(type), NativeGgml.BlockSize(type), NativeGgml.TypeSize(type)), (info.Name, info.BlockSize, info.TypeSize));
        }
        Assert.Equal(Enum.GetValues<GgmlType>().Length, Enumerable.Range(0, 43).Count(type => NativeGgml.TypeSize(type) > 0));
    }

    [Theory]
    [MemberData(nameof(Decodable))]
    public void Decoding_is_bit_for_bit_the_librarys(GgmlType type)
    {
        var info = GgmlTypes.Of(type);
        var count = info.BlockSize * Math.Max(1, 65536 / info.BlockSize);
        // Random bytes: scales are any half, subnormal, infinite and NaN as well.
        var data = Samples.RandomBytes(Seed, count / info.BlockSize * info.TypeSize);
        var expected = type == GgmlType.F32 ? MemoryMarshal.Cast<byte, float>(data).ToArray() : NativeGgml.Decode(type, data, count);
        var actual = new float[count];
        GgmlDecoder.Decode(type, data, actual);
        for (var i = 0; i < count; i++)
        {
            Assert.True(expected[i].Equals(actual[i]) && (float.IsNaN(expected[i]) || BitConverter.SingleToUInt32Bits(expected[i]) == BitConverter.SingleToUInt32Bits(actual[i])),
                $"element {i}: {expected[i]:R} and {actual[i]:R}");
        }
    }

    [Theory]
    [InlineData(GgmlType.F16)]
    [InlineData(GgmlType.Q8_0)]
    public void Encoding_is_byte_for_byte_the_librarys(GgmlType type)
    {
        var random = new Random(Seed);
        var values = new float[32 * 2048];
        for (var i = 0; i < values.Length; i++) values[i] = (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-9, 4)));
        values.AsSpan(64, 32).Clear();
        for (var i = 0; i < 32; i++) values[96 + i] = (i - 16) / 2f * 127 / 8;
        Assert.Equal(NativeGgml.Encode(type, values), GgmlEncoder.Encode(type, values));
    }

    [Theory]
    [InlineData(GgmlType.F16, 70000f)]
    [InlineData(GgmlType.F16, float.NaN)]
    [InlineData(GgmlType.Q8_0, float.PositiveInfinity)]
    [InlineData(GgmlType.Q8_0, 1e8f)]
    public void What_does_not_fit_is_refused(GgmlType type, float value) =>
        Assert.Equal(GgufWriteCause.ValueUnfit, Assert.Throws<GgufWriteException>(() => GgmlEncoder.Encode(type, [.. new float[31], value])).Cause);

    [Fact]
    public void Types_that_are_not_decoded_are_refused_by_name()
    {
        var e = Assert.Throws<NotSupportedException>(() => GgmlDecoder.Decode(GgmlType.IQ2_XS, new byte[74], new float[256]));
        Assert.Contains("iq2_xs", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cut_through_blocks_is_requantised_where_asked()
    {
        var values = new float[96 * 4];
        for (var i = 0; i < values.Length; i++) values[i] = MathF.Sin(i);
        var source = GgmlEncoder.Encode(GgmlType.Q8_0, values);
        GgufWriter.Write(new GgufEdit().Add(new("w", GgmlType.Q8_0, [96, 4], GgufContent.Bytes(source))), _folder["a.gguf"]);
        using var file = GgufFile.Open(_folder["a.gguf"]);
        var tensor = file.Model.GetTensor("w");
        GgufRange[] kept = [new(5, 20), new(50, 12)];
        GgufWriter.Write(new GgufEdit().Add(GgufTensorPlan.KeepRequantised(file, tensor, kept, GgmlType.Q8_0)), _folder["b.gguf"]);

        using var cut = GgufFile.Open(_folder["b.gguf"]);
        var result = new float[32 * 4];
        GgmlDecoder.Decode(GgmlType.Q8_0, cut.Data(cut.Model.GetTensor("w")), result);
        Assert.Equal([32, 4], cut.Model.GetTensor("w").Shape);
        for (var row = 0; row < 4; row++)
        {
            for (var i = 0; i < 32; i++)
            {
                var column = i < 20 ? 5 + i : 30 + i;
                Assert.InRange(result[(32 * row) + i] - values[(96 * row) + column], -0.009f, 0.009f);
            }
        }
        var e = Assert.Throws<GgufWriteException>(() => GgufTensorPlan.KeepRequantised(file, tensor, [new(0, 33)], GgmlType.Q8_0));
        Assert.Equal(GgufWriteCause.ColumnsMisaligned, e.Cause);
    }
}
