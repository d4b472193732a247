using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// The two matrix products that healing spends its time on. Rows are tokens, contiguous, in single precision; what is summed over all tokens is
/// summed in double, a tile of tokens at a time, so that the error does not grow with their number. Same input, same bits, whatever the threads do.
/// </summary>
internal static unsafe class Products
{
    /// <summary>Tokens (or inner elements) of a tile: few enough for single precision and for the second-level cache.</summary>
    private const int Depth = 128;

    private const int Rows = 4;

    private static int Panel => 2 * Vector<float>.Count;

    /// <summary>sum[i, j] += Σ_t weight[t] · left[t, i] · right[t, j].</summary>
    /// <param name="sum">[leftWidth × rightWidth], row by row.</param>
    /// <param name="weights">One a token.</param>
    /// <param name="lower">Only j ≤ i is wanted (left and right are the same): what lies above the diagonal is undefined.</param>
    public static void AddOuter(
        ReadOnlySpan<float> left, int leftWidth, ReadOnlySpan<float> right, int rightWidth, ReadOnlySpan<float> weights, double[] sum, bool lower, int threads)
    {
        var tokens = weights.Length;
        ArgumentOutOfRangeException.ThrowIfNotEqual(left.Length, tokens * leftWidth);
        ArgumentOutOfRangeException.ThrowIfNotEqual(right.Length, tokens * rightWidth);
        ArgumentOutOfRangeException.ThrowIfNotEqual(sum.Length, (long)leftWidth * rightWidth);
        var groups = (leftWidth + Rows - 1) / Rows;
        var packed = new float[groups * Depth * Rows];
        fixed (float* rightAt = right)
        {
            for (var start = 0; start < tokens; start += Depth)
            {
                var depth = Math.Min(Depth, tokens - start);
                PackTransposed(left[(start * leftWidth)..((start + depth) * leftWidth)], leftWidth, weights.Slice(start, depth), packed);
                var source = rightAt + ((long)start * rightWidth);
                Parallel.For(0, (rightWidth + Panel - 1) / Panel, Limit(threads), panel =>
                {
                    var column = panel * Panel;
                    var columns = Math.Min(Panel, rightWidth - column);
                    var tile = stackalloc float[Depth * Panel];
                    var result = stackalloc float[Rows * Panel];
                    PackPanel(source + column, rightWidth, depth, columns, tile);
                    fixed (float* a = packed)
                    {
                        for (var group = lower ? column / Rows : 0; group < groups; group++)
                        {
                            Multiply(a + ((long)group * depth * Rows), tile, depth, result);
                            for (var row = 0; row < Rows && (group * Rows) + row < leftWidth; row++)
                            {
                                var target = sum.AsSpan((int)((((long)group * Rows) + row) * rightWidth) + column, columns);
                                if (columns == Panel) AddWide(result + (row * Panel), target);
                                else for (var at = 0; at < columns; at++) target[at] += result[(row * Panel) + at];
                            }
                        }
                    }
                });
            }
        }
    }

    /// <summary>target[t, j] += Σ_k left[t, k] · right[k, j].</summary>
    /// <param name="left">[rows × inner].</param>
    /// <param name="right">[inner × width].</param>
    /// <param name="target">[rows × width].</param>
    public static void AddProduct(ReadOnlySpan<float> left, int inner, ReadOnlySpan<float> right, int width, Span<float> target, int threads)
    {
        var rows = inner == 0 ? 0 : left.Length / inner;
        ArgumentOutOfRangeException.ThrowIfNotEqual(target.Length, rows * width);
        ArgumentOutOfRangeException.ThrowIfNotEqual(right.Length, inner * width);
        var groups = (rows + Rows - 1) / Rows;
        var packed = new float[groups * Depth * Rows];
        fixed (float* rightAt = right, targetAt = target)
        {
            var into = targetAt;
            for (var start = 0; start < inner; start += Depth)
            {
                var depth = Math.Min(Depth, inner - start);
                Pack(left, inner, start, depth, rows, packed);
                var source = rightAt + ((long)start * width);
                Parallel.For(0, (width + Panel - 1) / Panel, Limit(threads), panel =>
                {
                    var column = panel * Panel;
                    var columns = Math.Min(Panel, width - column);
                    var tile = stackalloc float[Depth * Panel];
                    var result = stackalloc float[Rows * Panel];
                    PackPanel(source + column, width, depth, columns, tile);
                    fixed (float* a = packed)
                    {
                        for (var group = 0; group < groups; group++)
                        {
                            Multiply(a + ((long)group * depth * Rows), tile, depth, result);
                            for (var row = 0; row < Rows && (group * Rows) + row < rows; row++)
                            {
                                var line = into + ((((long)group * Rows) + row) * width) + column;
                                TensorPrimitives.Add(new ReadOnlySpan<float>(line, columns), new ReadOnlySpan<float>(result + (row * Panel), columns), new Span<float>(line, columns));
                            }
                        }
                    }
                });
            }
        }
    }

    private static void AddWide(float* panel, Span<double> target)
    {
        var into = MemoryMarshal.Cast<double, Vector<double>>(target);
        for (var at = 0; at < into.Length; at += 2)
        {
            Vector.Widen(Unsafe.ReadUnaligned<Vector<float>>(panel + (at * Vector<double>.Count)), out var low, out var high);
            into[at] += low;
            into[at + 1] += high;
        }
    }

    private static ParallelOptions Limit(int threads) => new() { MaxDegreeOfParallelism = Math.Max(1, threads) };

    private static void PackTransposed(ReadOnlySpan<float> left, int width, ReadOnlySpan<float> weights, float[] packed)
    {
        var depth = weights.Length;
        Array.Clear(packed);
        for (var token = 0; token < depth; token++)
        {
            var row = left.Slice(token * width, width);
            var weight = weights[token];
            for (var at = 0; at < width; at++) packed[((((at / Rows) * depth) + token) * Rows) + (at % Rows)] = weight * row[at];
        }
    }

    private static void Pack(ReadOnlySpan<float> left, int inner, int start, int depth, int rows, float[] packed)
    {
        Array.Clear(packed);
        for (var row = 0; row < rows; row++)
        {
            var line = left.Slice((row * inner) + start, depth);
            for (var at = 0; at < depth; at++) packed[((((row / Rows) * depth) + at) * Rows) + (row % Rows)] = line[at];
        }
    }

    private static void PackPanel(float* source, int stride, int depth, int columns, float* tile)
    {
        for (var at = 0; at < depth; at++)
        {
            var line = new Span<float>(tile + ((long)at * Panel), Panel);
            new ReadOnlySpan<float>(source + ((long)at * stride), columns).CopyTo(line);
            if (columns < Panel) line[columns..].Clear();
        }
    }

    /// <summary>result[4 × panel] = Σ_d a[d, 4] · b[d, panel].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(float* a, float* b, int depth, float* result)
    {
        var wide = Vector<float>.Count;
        Vector<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
        for (var d = 0; d < depth; d++)
        {
            var b0 = Unsafe.ReadUnaligned<Vector<float>>(b);
            var b1 = Unsafe.ReadUnaligned<Vector<float>>(b + wide);
            var x = new Vector<float>(a[0]);
            c00 = Vector.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector.FusedMultiplyAdd(x, b1, c01);
            x = new Vector<float>(a[1]);
            c10 = Vector.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector.FusedMultiplyAdd(x, b1, c11);
            x = new Vector<float>(a[2]);
            c20 = Vector.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector.FusedMultiplyAdd(x, b1, c21);
            x = new Vector<float>(a[3]);
            c30 = Vector.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector.FusedMultiplyAdd(x, b1, c31);
            a += Rows;
            b += 2 * wide;
        }

        Span<Vector<float>> all = [c00, c01, c10, c11, c20, c21, c30, c31];
        MemoryMarshal.Cast<Vector<float>, float>(all).CopyTo(new Span<float>(result, Rows * 2 * wide));
    }
}
