using FinerCut.Runtime.Native;

namespace FinerCut.Tests.LlamaRuntime;

[Collection(nameof(RealModelTests))]
public sealed class GgmlTypeFactsTests(RealModel real)
{
    [Theory]
    [InlineData(0, "f32", 1, 4), InlineData(1, "f16", 1, 2), InlineData(2, "q4_0", 32, 18), InlineData(3, "q4_1", 32, 20), InlineData(8, "q8_0", 32, 34)]
    [InlineData(12, "q4_K", 256, 144), InlineData(14, "q6_K", 256, 210), InlineData(30, "bf16", 1, 2)]
    public void Types_are_as_ggml_has_them(int type, string name, long elements, long bytes)
    {
        Assert.NotNull(real.Runtime);
        Assert.Equal(name, GgmlTypeFacts.Name(type));
        Assert.Equal(elements, GgmlTypeFacts.BlockLength(type));
        Assert.Equal(bytes, GgmlTypeFacts.BlockBytes(type));
    }

    [Fact]
    public void Encoded_numbers_come_back_about_the_same()
    {
        var random = new Random(3);
        var values = Enumerable.Range(0, 512).Select(_ => (float)(random.NextDouble() - 0.5)).ToArray();
        foreach (var type in (int[])[1, 2, 3, 6, 7, 8, 12, 13, 14, 30])
        {
            var bytes = new byte[512 / GgmlTypeFacts.BlockLength(type) * GgmlTypeFacts.BlockBytes(type)];
            GgmlTypeFacts.Quantize(type, values, bytes);
            var back = new float[512];
            GgmlTypeFacts.Dequantize(type, bytes, back);
            Assert.True(values.Zip(back).Max(pair => Math.Abs(pair.First - pair.Second)) < 0.1, GgmlTypeFacts.Name(type));
        }
    }

    [Fact]
    public void Lengths_that_are_no_whole_blocks_are_refused()
    {
        Assert.Throws<ArgumentException>(() => GgmlTypeFacts.Dequantize(2, new byte[18], new float[31]));
        Assert.Throws<ArgumentException>(() => GgmlTypeFacts.Dequantize(2, new byte[17], new float[32]));
        Assert.Throws<ArgumentException>(() => GgmlTypeFacts.Quantize(2, new float[] { float.NaN }, new byte[18]));
        Assert.Throws<ArgumentOutOfRangeException>(() => GgmlTypeFacts.Name(43));
        Assert.DoesNotContain(4, GgmlTypeFacts.All);
    }
}
