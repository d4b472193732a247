using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// A = L·Lᵀ of a symmetric positive definite matrix in double precision, and what follows from it. Blocked, so that matrices of some thousand
/// rows stay in the caches. Immutable once made.
/// </summary>
internal sealed class Cholesky
{
    private const int Block = 64;

    /// <summary>Right sides solved together: a panel of them stays in the second-level cache.</summary>
    private const int Columns = 32;

    private readonly double[] _lower;

    private Cholesky(double[] lower, int size)
    {
        _lower = lower;
        Size = size;
    }

    public int Size { get; }

    /// <summary>Row <paramref name="row"/> of L up to and with its diagonal.</summary>
    public ReadOnlySpan<double> Row(int row) => _lower.AsSpan(row * Size, row + 1);

    /// <param name="symmetric">[size × size]; only j ≤ i is read.</param>
    /// <param name="size">Rows.</param>
    /// <param name="ridge">Added to the diagonal.</param>
    /// <returns>Null where the matrix is not positive definite to working precision, or holds what is no number.</returns>
    public static Cholesky? Of(double[] symmetric, int size, double ridge, int threads)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(symmetric.Length, (long)size * size);
        return Over([.. symmetric], size, ridge, threads);
    }

    /// <summary>The same in the place of the matrix, which is used up.</summary>
    public static Cholesky? Over(double[] lower, int size, double ridge, int threads)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(lower.Length, (long)size * size);
        for (var row = 0; row < size; row++)
        {
            lower[(row * size) + row] += ridge;
            lower.AsSpan((row * size) + row + 1, size - row - 1).Clear();
        }

        for (var start = 0; start < size; start += Block)
        {
            var end = Math.Min(start + Block, size);
            if (!FactorDiagonal(lower, size, start, end)) return null;
            Parallel.For(end, size, new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, threads) }, row => SolveRow(lower, size, start, end, row));
            Parallel.For(end, size, new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, threads) }, row => UpdateRow(lower, size, start, end, row));
        }

        return new Cholesky(lower, size);
    }

    /// <summary>X of L·X = B in single precision.</summary>
    /// <param name="right">B [size × width], row by row.</param>
    public float[] SolveLowerSingle(ReadOnlySpan<float> right, int width, int threads)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(right.Length, Size * width);
        var solution = right.ToArray();
        for (var start = 0; start < Size; start += Block)
        {
            var end = Math.Min(start + Block, Size);
            var left = new float[(end - start) * start];
            for (var row = start; row < end; row++)
            {
                for (var column = 0; column < start; column++) left[((row - start) * start) + column] = -(float)_lower[(row * Size) + column];
            }

            if (start > 0) Products.AddProduct(left, start, solution.AsSpan(0, start * width), width, solution.AsSpan(start * width, (end - start) * width), threads);
            for (var row = start; row < end; row++)
            {
                var line = solution.AsSpan(row * width, width);
                for (var before = start; before < row; before++) TensorPrimitives.MultiplyAdd(solution.AsSpan(before * width, width), -(float)_lower[(row * Size) + before], line, line);
                TensorPrimitives.Divide(line, (float)_lower[(row * Size) + row], line);
            }
        }

        return solution;
    }

    /// <summary>X of A·X = B in single precision, which is enough where the ridge keeps the condition below some thousands, and many times faster.</summary>
    /// <param name="right">B [size × width], row by row.</param>
    public float[] SolveSingle(ReadOnlySpan<float> right, int width, int threads)
    {
        var solution = SolveLowerSingle(right, width, threads);
        for (var end = Size; end > 0;)
        {
            var start = (end - 1) / Block * Block;
            var rest = Size - end;
            var left = new float[(end - start) * rest];
            for (var row = end; row < Size; row++)
            {
                for (var column = start; column < end; column++) left[((column - start) * rest) + row - end] = -(float)_lower[(row * Size) + column];
            }

            if (rest > 0) Products.AddProduct(left, rest, solution.AsSpan(end * width), width, solution.AsSpan(start * width, (end - start) * width), threads);
            for (var row = end - 1; row >= start; row--)
            {
                var line = solution.AsSpan(row * width, width);
                for (var after = row + 1; after < end; after++) TensorPrimitives.MultiplyAdd(solution.AsSpan(after * width, width), -(float)_lower[(after * Size) + row], line, line);
                TensorPrimitives.Divide(line, (float)_lower[(row * Size) + row], line);
            }

            end = start;
        }

        return solution;
    }

    /// <summary>X of A·X = B.</summary>
    /// <param name="right">B [size × width], row by row.</param>
    public double[] Solve(ReadOnlySpan<double> right, int width, int threads)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(right.Length, Size * width);
        var solution = right.ToArray();
        Parallel.For(0, (width + Columns - 1) / Columns, new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, threads) }, panel => SolvePanel(solution, width, panel * Columns));
        return solution;
    }

    private void SolvePanel(double[] solution, int width, int column)
    {
        var columns = Math.Min(Columns, width - column);
        var panel = new double[Size * Columns];
        for (var row = 0; row < Size; row++) solution.AsSpan((row * width) + column, columns).CopyTo(panel.AsSpan(row * Columns));
        for (var row = 0; row < Size; row++)
        {
            var line = panel.AsSpan(row * Columns, Columns);
            for (var before = 0; before < row; before++) Subtract(line, _lower[(row * Size) + before], panel.AsSpan(before * Columns, Columns));
            Divide(line, _lower[(row * Size) + row]);
        }

        for (var row = Size - 1; row >= 0; row--)
        {
            // Column by column of Lᵀ = row by row of L: what is solved is taken out of all rows above.
            var line = panel.AsSpan(row * Columns, Columns);
            Divide(line, _lower[(row * Size) + row]);
            for (var above = 0; above < row; above++) Subtract(panel.AsSpan(above * Columns, Columns), _lower[(row * Size) + above], line);
        }

        for (var row = 0; row < Size; row++) panel.AsSpan(row * Columns, columns).CopyTo(solution.AsSpan((row * width) + column));
    }

    private static void Subtract(Span<double> target, double factor, ReadOnlySpan<double> source)
    {
        var into = MemoryMarshal.Cast<double, Vector<double>>(target);
        var from = MemoryMarshal.Cast<double, Vector<double>>(source);
        var minus = new Vector<double>(-factor);
        for (var at = 0; at < into.Length; at++) into[at] = Vector.FusedMultiplyAdd(minus, from[at], into[at]);
    }

    private static void Divide(Span<double> line, double by)
    {
        foreach (ref var value in line) value /= by;
    }

    private static bool FactorDiagonal(double[] lower, int size, int start, int end)
    {
        for (var row = start; row < end; row++)
        {
            SolveRow(lower, size, start, row, row);
            var line = lower.AsSpan(row * size, size);
            var pivot = line[row] - Dot(line[start..row], line[start..row]);
            if (!(pivot > 0) || !double.IsFinite(pivot)) return false;
            line[row] = Math.Sqrt(pivot);
        }

        return true;
    }

    /// <summary>Columns [start, end) of one row below the block.</summary>
    private static void SolveRow(double[] lower, int size, int start, int end, int row)
    {
        var line = lower.AsSpan(row * size, size);
        for (var column = start; column < end; column++)
        {
            var above = lower.AsSpan(column * size, size);
            line[column] = (line[column] - Dot(line[start..column], above[start..column])) / above[column];
        }
    }

    private static void UpdateRow(double[] lower, int size, int start, int end, int row)
    {
        var line = lower.AsSpan(row * size, size);
        var own = line[start..end];
        var column = end;
        Span<double> four = stackalloc double[4];
        for (; column + 3 <= row; column += 4)
        {
            Dots(own, lower.AsSpan((column * size) + start), size, four);
            for (var at = 0; at < 4; at++) line[column + at] -= four[at];
        }

        for (; column <= row; column++) line[column] -= Dot(own, lower.AsSpan((column * size) + start, end - start));
    }

    /// <summary>Dot products with four rows at once: eight sums under way hide the latency of each.</summary>
    private static void Dots(ReadOnlySpan<double> left, ReadOnlySpan<double> rows, int stride, Span<double> sums)
    {
        var first = rows[..left.Length];
        var second = rows.Slice(stride, left.Length);
        var third = rows.Slice(2 * stride, left.Length);
        var fourth = rows.Slice(3 * stride, left.Length);
        Vector<double> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
        var wide = Vector<double>.Count;
        var at = 0;
        for (; at <= left.Length - (2 * wide); at += 2 * wide)
        {
            var (x, y) = (new Vector<double>(left[at..]), new Vector<double>(left[(at + wide)..]));
            a0 = Vector.FusedMultiplyAdd(x, new Vector<double>(first[at..]), a0);
            a1 = Vector.FusedMultiplyAdd(y, new Vector<double>(first[(at + wide)..]), a1);
            b0 = Vector.FusedMultiplyAdd(x, new Vector<double>(second[at..]), b0);
            b1 = Vector.FusedMultiplyAdd(y, new Vector<double>(second[(at + wide)..]), b1);
            c0 = Vector.FusedMultiplyAdd(x, new Vector<double>(third[at..]), c0);
            c1 = Vector.FusedMultiplyAdd(y, new Vector<double>(third[(at + wide)..]), c1);
            d0 = Vector.FusedMultiplyAdd(x, new Vector<double>(fourth[at..]), d0);
            d1 = Vector.FusedMultiplyAdd(y, new Vector<double>(fourth[(at + wide)..]), d1);
        }

        (sums[0], sums[1], sums[2], sums[3]) = (Vector.Sum(a0 + a1), Vector.Sum(b0 + b1), Vector.Sum(c0 + c1), Vector.Sum(d0 + d1));
        for (; at < left.Length; at++)
        {
            sums[0] += left[at] * first[at];
            sums[1] += left[at] * second[at];
            sums[2] += left[at] * third[at];
            sums[3] += left[at] * fourth[at];
        }
    }

    private static double Dot(ReadOnlySpan<double> left, ReadOnlySpan<double> right)
    {
        Vector<double> even = default, odd = default;
        var wide = Vector<double>.Count;
        var at = 0;
        for (; at <= left.Length - (2 * wide); at += 2 * wide)
        {
            even = Vector.FusedMultiplyAdd(new Vector<double>(left[at..]), new Vector<double>(right[at..]), even);
            odd = Vector.FusedMultiplyAdd(new Vector<double>(left[(at + wide)..]), new Vector<double>(right[(at + wide)..]), odd);
        }

        var sum = Vector.Sum(even + odd);
        for (; at < left.Length; at++) sum += left[at] * right[at];
        return sum;
    }
}
