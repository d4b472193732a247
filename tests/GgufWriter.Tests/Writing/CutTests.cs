namespace FinerCut.Gguf.Tests.Writing;

public sealed class CutTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(GgmlType.F32, 64, 7)]
    [InlineData(GgmlType.Q4_0, 128, 9)]
    [InlineData(GgmlType.Q8_0, 96, 5)]
    [InlineData(GgmlType.Q6_K, 1024, 3)]
    public void Columns_and_rows_are_the_source_bytes_in_order(GgmlType type, int columns, int rows)
    {
        var info = GgmlTypes.Of(type);
        GgufWriter.Write(new GgufEdit().Add(Samples.Tensor("w", type, 3, columns, rows)), _folder["a.gguf"]);
        using var source = GgufFile.Open(_folder["a.gguf"]);
        var tensor = source.Model.GetTensor("w");
        GgufRange[] keptColumns = [new(info.BlockSize, info.BlockSize), new(0, info.BlockSize)];
        GgufRange[] keptRows = [new(2, 1), new(0, 2)];
        var edit = new GgufEdit()
            .Add(GgufTensorPlan.Keep(source, tensor, 0, keptColumns) with { Name = "columns" })
            .Add(GgufTensorPlan.Keep(source, tensor, 1, keptRows) with { Name = "rows" });
        GgufWriter.Write(edit, _folder["b.gguf"]);

        using var cut = GgufFile.Open(_folder["b.gguf"]);
        var data = source.Data(tensor).ToArray();
        var block = info.TypeSize;
        var expected = Enumerable.Range(0, rows).SelectMany(row =>
            data.Skip((int)(row * tensor.RowBytes) + block).Take(block).Concat(data.Skip((int)(row * tensor.RowBytes)).Take(block)));
        Assert.Equal([2 * info.BlockSize, rows], cut.Model.GetTensor("columns").Shape);
        Assert.Equal(expected, cut.Data(cut.Model.GetTensor("columns")).ToArray());
        Assert.Equal([columns, 3], cut.Model.GetTensor("rows").Shape);
        Assert.Equal(
            data.Skip((int)(2 * tensor.RowBytes)).Take((int)tensor.RowBytes).Concat(data.Take((int)(2 * tensor.RowBytes))),
            cut.Data(cut.Model.GetTensor("rows")).ToArray());
    }

    [Fact]
    public void Experts_and_rows_of_each_expert_can_be_left_out()
    {
        GgufWriter.Write(new GgufEdit().Add(Samples.Tensor("w", GgmlType.F32, 3, 2, 3, 4)), _folder["a.gguf"]);
        using var source = GgufFile.Open(_folder["a.gguf"]);
        var tensor = source.Model.GetTensor("w");
        var edit = new GgufEdit()
            .Add(GgufTensorPlan.Keep(source, tensor, 2, [new(1, 2)]) with { Name = "experts" })
            .Add(GgufTensorPlan.Keep(source, tensor, 1, [new(2, 1)]) with { Name = "rows" });
        GgufWriter.Write(edit, _folder["b.gguf"]);
        using var cut = GgufFile.Open(_folder["b.gguf"]);
        var data = source.Data(tensor).ToArray();
        Assert.Equal(data[24..72], cut.Data(cut.Model.GetTensor("experts")).ToArray());
        Assert.Equal([2, 1, 4], cut.Model.GetTensor("rows").Shape);
        Assert.Equal([.. data[16..24], .. data[40..48], .. data[64..72], .. data[88..96]], cut.Data(cut.Model.GetTensor("rows")).ToArray());
    }

    [Theory]
    [InlineData(10, 90, "32-95 or 0-127")]
    [InlineData(0, 33, "0-31 or 0-63")]
    [InlineData(40, 10, "32-63")]
    public void A_cut_through_a_block_names_the_nearest_columns(long start, long count, string nearest)
    {
        GgufWriter.Write(new GgufEdit().Add(Samples.Tensor("w", GgmlType.Q4_1, 3, 256, 2)), _folder["a.gguf"]);
        using var source = GgufFile.Open(_folder["a.gguf"]);
        var e = Assert.Throws<GgufWriteException>(() => GgufTensorPlan.Keep(source, source.Model.GetTensor("w"), 0, [new(start, count)]));
        Assert.Equal(GgufWriteCause.ColumnsMisaligned, e.Cause);
        Assert.EndsWith($"nearest: {nearest}", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_left_of_a_range_is_its_complement() =>
        Assert.Equal([new(2, 3), new(9, 1)], GgufRange.AllBut(10, [new(5, 4), new(0, 2)]));
}
