using System.Numerics.Tensors;

namespace FinerCut.Pruning.Distances;

public enum LogitStore { Single, Half }

/// <summary>
/// The full model's logits at every scored position: computed once, compared with every candidate. Kept in single precision where that
/// stays within the stated budget, else in half (error in docs/pruning.md); the log-sum-exp of each row is that of the stored row, so that
/// equal rows have distance zero up to the store's rounding. Written by one thread; reads are thread-safe after the last write.
/// </summary>
public sealed class ReferenceLogits
{
    private readonly float[][]? _single;
    private readonly Half[][]? _half;
    private readonly double[] _logSumExp;

    /// <param name="rows">Scored positions.</param>
    /// <param name="vocabulary">Logits a position.</param>
    /// <param name="budgetBytes">Memory that single precision may take; half takes half of it.</param>
    public ReferenceLogits(int rows, int vocabulary, long budgetBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabulary);
        Rows = rows;
        Vocabulary = vocabulary;
        Store = (long)rows * vocabulary * sizeof(float) <= budgetBytes ? LogitStore.Single : LogitStore.Half;
        _logSumExp = new double[rows];
        if (Store == LogitStore.Single) _single = new float[rows][];
        else _half = new Half[rows][];
    }

    public int Rows { get; }

    public int Vocabulary { get; }

    public LogitStore Store { get; }

    public long Bytes => (long)Rows * Vocabulary * (Store == LogitStore.Single ? sizeof(float) : 2);

    /// <summary>Logarithm of the row's sum of exponentials.</summary>
    public double LogSumExp(int row) => _logSumExp[row];

    /// <param name="scratch">[vocabulary], overwritten.</param>
    public void Set(int row, ReadOnlySpan<float> logits, float[] scratch)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(logits.Length, Vocabulary);
        if (_single is not null)
        {
            _single[row] = logits.ToArray();
            _logSumExp[row] = LogitDistance.LogSumExp(logits);
            return;
        }

        var half = GC.AllocateUninitializedArray<Half>(Vocabulary);
        TensorPrimitives.ConvertToHalf(logits, half);
        _half![row] = half;
        _logSumExp[row] = LogitDistance.LogSumExp(Row(row, scratch));
    }

    /// <summary>The row's logits; <paramref name="scratch"/> [vocabulary] is used where the store is not single precision.</summary>
    public ReadOnlySpan<float> Row(int row, float[] scratch)
    {
        if (_single is not null) return _single[row];
        TensorPrimitives.ConvertToSingle(_half![row], scratch);
        return scratch;
    }
}
