using System.Numerics.Tensors;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// A fitted map as a sum over orthonormal directions of the output: y ≈ MeanY + Σ ((x − MeanX) · In[:, k]) · Out[k]. Immutable.
/// </summary>
/// <param name="In">[inputs × directions].</param>
/// <param name="Out">[directions × outputs], by falling explained variance; null where every output is a direction of its own.</param>
internal sealed record LinearMap(float[] In, float[]? Out, float[] MeanX, float[] MeanY)
{
    public int Directions => MeanX.Length == 0 ? 0 : In.Length / MeanX.Length;

    /// <summary>The map, every output of which is a direction of its own, along others.</summary>
    /// <param name="directions">[directions × outputs].</param>
    public LinearMap Along(float[] directions, int threads)
    {
        var map = this with { Out = directions, In = new float[directions.Length / MeanY.Length * MeanX.Length] };
        Products.AddProduct(In, MeanY.Length, map.OutTransposed(), map.Directions, map.In, threads);
        return map;
    }

    /// <summary>[outputs × directions].</summary>
    public float[] OutTransposed()
    {
        var transposed = new float[Out!.Length];
        for (var direction = 0; direction < Directions; direction++)
        {
            for (var output = 0; output < MeanY.Length; output++) transposed[(output * Directions) + direction] = Out[(direction * MeanY.Length) + output];
        }

        return transposed;
    }

    /// <summary>[inputs × directions] of the first <paramref name="shares"/>.Length directions, each as much as it is believed.</summary>
    /// <param name="shares">0 to 1, one a direction.</param>
    public float[] InShared(ReadOnlySpan<double> shares)
    {
        var shared = new float[MeanX.Length * shares.Length];
        for (var input = 0; input < MeanX.Length; input++)
        {
            for (var direction = 0; direction < shares.Length; direction++) shared[(input * shares.Length) + direction] = In[(input * Directions) + direction] * (float)shares[direction];
        }

        return shared;
    }

    /// <summary>One matrix [inputs × outputs] of the first <paramref name="shares"/>.Length directions.</summary>
    /// <param name="shares">0 to 1, one a direction.</param>
    public float[] Matrix(ReadOnlySpan<double> shares, int threads)
    {
        if (Out is null) return InShared(shares);
        var matrix = new float[MeanX.Length * MeanY.Length];
        if (shares.Length > 0) Products.AddProduct(InShared(shares), shares.Length, Out.AsSpan(0, shares.Length * MeanY.Length), MeanY.Length, matrix, threads);
        return matrix;
    }

    /// <summary>What is added to x · <paramref name="matrix"/>.</summary>
    public float[] Intercept(ReadOnlySpan<float> matrix)
    {
        var intercept = MeanY.ToArray();
        for (var input = 0; input < MeanX.Length; input++)
        {
            TensorPrimitives.MultiplyAdd(matrix.Slice(input * MeanY.Length, MeanY.Length), -MeanX[input], intercept, intercept);
        }

        return intercept;
    }
}
