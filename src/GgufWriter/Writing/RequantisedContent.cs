namespace FinerCut.Gguf;

/// <summary>Columns of every row, decoded and encoded anew, one row at a time.</summary>
internal sealed class RequantisedContent(GgufFile file, GgufTensorInfo tensor, IReadOnlyList<GgufRange> kept, GgmlType type)
    : GgufContent(tensor.Rows * RowBytes(kept, type))
{
    internal override void CopyTo(GgufOutput output)
    {
        var source = new byte[tensor.RowBytes];
        var row = new float[tensor.Columns];
        var chosen = new float[kept.Sum(range => range.Count)];
        var encoded = new byte[RowBytes(kept, type)];
        for (long i = 0; i < tensor.Rows; i++)
        {
            GgufOutput.ReadExactly(file, source, file.Model.DataOffset + tensor.Offset + (i * tensor.RowBytes));
            GgmlDecoder.Decode(tensor.Type, source, row);
            var at = 0;
            foreach (var range in kept)
            {
                row.AsSpan((int)range.Start, (int)range.Count).CopyTo(chosen.AsSpan(at));
                at += (int)range.Count;
            }
            GgmlEncoder.Encode(type, chosen, encoded);
            output.Write(encoded);
        }
    }

    private static long RowBytes(IReadOnlyList<GgufRange> kept, GgmlType type) => GgmlTypes.ByteCount(type, [kept.Sum(range => range.Count)]);
}
