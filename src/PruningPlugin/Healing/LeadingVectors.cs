using System.Numerics.Tensors;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// Eigenvectors of the largest eigenvalues of a symmetric matrix, by subspace iteration: healing wants a hundred of some thousand, which a full
/// decomposition would take a hundred times longer for. Deterministic.
/// </summary>
internal static class LeadingVectors
{
    private const int Iterations = 12;

    /// <summary>Vectors carried along beyond those asked for: the last ones converge by them.</summary>
    private const int Spare = 8;

    /// <param name="symmetric">[size × size], positive semidefinite.</param>
    /// <returns>[count × size], orthonormal rows, by falling eigenvalue; fewer where the matrix has no more of them.</returns>
    public static double[][] Of(double[] symmetric, int size, int count, int threads)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(symmetric.Length, size * size);
        var random = new Random(1);
        var vectors = new double[Math.Min(count + Spare, size)][];
        for (var at = 0; at < vectors.Length; at++) vectors[at] = [.. Enumerable.Range(0, size).Select(_ => random.NextDouble() - 0.5)];
        for (var iteration = 0; iteration < Iterations; iteration++)
        {
            vectors = Orthonormal(vectors);
            vectors = Multiplied(symmetric, size, vectors, threads);
        }

        var basis = Orthonormal(vectors);
        var images = Multiplied(symmetric, size, basis, threads);
        var small = new double[basis.Length, basis.Length];
        for (var row = 0; row < basis.Length; row++)
        {
            for (var column = 0; column <= row; column++) small[row, column] = small[column, row] = TensorPrimitives.Dot<double>(basis[row], images[column]);
        }

        var (values, rotation) = Jacobi(small);
        var order = Enumerable.Range(0, basis.Length).OrderByDescending(at => values[at]).Take(count).ToArray();
        return [.. order.Select(index =>
        {
            var vector = new double[size];
            for (var at = 0; at < basis.Length; at++) TensorPrimitives.MultiplyAdd(basis[at], rotation[at, index], vector, vector);
            return vector;
        })];
    }

    private static double[][] Multiplied(double[] symmetric, int size, double[][] vectors, int threads)
    {
        var images = new double[vectors.Length][];
        Parallel.For(0, vectors.Length, new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, threads) }, at =>
        {
            images[at] = new double[size];
            for (var row = 0; row < size; row++) images[at][row] = TensorPrimitives.Dot<double>(symmetric.AsSpan(row * size, size), vectors[at]);
        });
        return images;
    }

    /// <summary>Gram-Schmidt, twice over for accuracy; what depends on the others is dropped.</summary>
    private static double[][] Orthonormal(double[][] vectors)
    {
        var basis = new List<double[]>(vectors.Length);
        foreach (var vector in vectors)
        {
            var before = Math.Sqrt(TensorPrimitives.SumOfSquares<double>(vector));
            for (var pass = 0; pass < 2; pass++)
            {
                foreach (var known in basis) TensorPrimitives.MultiplyAdd(known, -TensorPrimitives.Dot<double>(known, vector), vector, vector);
            }

            var length = Math.Sqrt(TensorPrimitives.SumOfSquares<double>(vector));
            if (!(length > before * 1e-12) || length < 1e-150) continue;
            TensorPrimitives.Divide(vector, length, vector);
            basis.Add(vector);
        }

        return [.. basis];
    }

    /// <summary>Cyclic Jacobi rotations of a small symmetric matrix: eigenvalues, and eigenvectors as columns.</summary>
    internal static (double[] Values, double[,] Vectors) Jacobi(double[,] matrix)
    {
        var size = matrix.GetLength(0);
        var vectors = new double[size, size];
        for (var at = 0; at < size; at++) vectors[at, at] = 1;
        for (var sweep = 0; sweep < 30; sweep++)
        {
            double off = 0, all = 0;
            for (var row = 0; row < size; row++)
            {
                for (var column = 0; column < size; column++)
                {
                    all += matrix[row, column] * matrix[row, column];
                    if (row != column) off += matrix[row, column] * matrix[row, column];
                }
            }

            if (off <= all * 1e-24) break;
            for (var p = 0; p < size; p++)
            {
                for (var q = p + 1; q < size; q++) Rotate(matrix, vectors, p, q);
            }
        }

        return ([.. Enumerable.Range(0, size).Select(at => matrix[at, at])], vectors);
    }

    private static void Rotate(double[,] matrix, double[,] vectors, int p, int q)
    {
        if (matrix[p, q] == 0) return;
        var theta = (matrix[q, q] - matrix[p, p]) / (2 * matrix[p, q]);
        var t = (theta >= 0 ? 1 : -1) / (Math.Abs(theta) + Math.Sqrt((theta * theta) + 1));
        var c = 1 / Math.Sqrt((t * t) + 1);
        var s = t * c;
        var size = matrix.GetLength(0);
        for (var at = 0; at < size; at++) (matrix[at, p], matrix[at, q]) = ((c * matrix[at, p]) - (s * matrix[at, q]), (s * matrix[at, p]) + (c * matrix[at, q]));
        for (var at = 0; at < size; at++) (matrix[p, at], matrix[q, at]) = ((c * matrix[p, at]) - (s * matrix[q, at]), (s * matrix[p, at]) + (c * matrix[q, at]));
        for (var at = 0; at < size; at++) (vectors[at, p], vectors[at, q]) = ((c * vectors[at, p]) - (s * vectors[at, q]), (s * vectors[at, p]) + (c * vectors[at, q]));
    }
}
