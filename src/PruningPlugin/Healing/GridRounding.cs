using FinerCut.Gguf;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// Rounds weights to values that their blocks can hold such that what the rounding of one column does to the output is made up for by the columns that are
/// still to be rounded: the nearest plane of the lattice (Babai 1986), which is what GPTQ (arXiv 2210.17323) computes. Pure.
/// </summary>
internal static class GridRounding
{
    private const int Block = 64;

    /// <summary>Rounds column by column, the last first.</summary>
    /// <param name="factor">Of the inputs' second moments [columns × columns].</param>
    /// <param name="weights">[columns × rows]: transposed, each column's weights together. Rounded values take their place.</param>
    /// <param name="scales">As the weights; an element of scale 0 can only be its offset.</param>
    /// <param name="offsets">As the weights.</param>
    /// <returns>Quants, transposed like the weights.</returns>
    public static sbyte[] Round(Cholesky factor, float[] weights, int rows, float[] scales, float[] offsets, GgmlType type, int threads)
    {
        var columns = factor.Size;
        ArgumentOutOfRangeException.ThrowIfNotEqual(weights.Length, columns * rows);
        var (least, most) = GgmlGrid.Range(type);
        var quants = new sbyte[weights.Length];
        var wanted = weights.ToArray();
        var errors = new float[Block * rows];
        for (var end = columns; end > 0; end -= Block)
        {
            var start = Math.Max(0, end - Block);
            Array.Clear(errors);
            for (var column = end - 1; column >= start; column--)
            {
                var error = errors.AsSpan((column - start) * rows, rows);
                for (var row = 0; row < rows; row++)
                {
                    var at = (column * rows) + row;
                    var scale = scales[at];
                    var quant = scale == 0 ? Math.Clamp(0, least, most) : (int)Math.Clamp(MathF.Round((wanted[at] - offsets[at]) / scale), least, most);
                    var value = (scale * quant) + offsets[at];
                    quants[at] = (sbyte)quant;
                    error[row] = weights[at] - value;
                    weights[at] = value;
                }

                var line = factor.Row(column);
                for (var before = start; before < column; before++) Add(wanted.AsSpan(before * rows, rows), (float)(line[before] / factor.Row(before)[before]), error);
            }

            if (start == 0) break;
            var shares = new float[start * Block];
            for (var column = start; column < end; column++)
            {
                var line = factor.Row(column);
                for (var before = 0; before < start; before++) shares[(before * Block) + column - start] = (float)(line[before] / factor.Row(before)[before]);
            }

            Products.AddProduct(shares, Block, errors, rows, wanted.AsSpan(0, start * rows), threads);
        }

        return quants;
    }

    private static void Add(Span<float> target, float factor, ReadOnlySpan<float> source) =>
        System.Numerics.Tensors.TensorPrimitives.MultiplyAdd(source, factor, target, target);
}
