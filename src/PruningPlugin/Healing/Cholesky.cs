using System.Numerics;
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
        var lower = new double[symmetric.Length];
        for (var row = 0; row < size; row++)
        {
            symmetric.AsSpan(row * size, row + 1).CopyTo(lower.AsSpan(row * size));
            lower[(row * size) + row] += ridge;
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
        for (var column = end; column <= row; column++) line[column] -= Dot(own, lower.AsSpan((column * size) + start, end - start));
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
