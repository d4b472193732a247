using FinerCut.Masks;

namespace FinerCut.Pruning.Scoring;

/// <summary>
/// Residual streams of one mask's run, by batch and sublayer: what the stream is after that sublayer. Kept in single precision, since the
/// graph's is: anything less would not be bit-identical. Where all of them exceed the budget, evenly spaced ones are kept. One owner.
/// </summary>
internal sealed class ResidualStates
{
    private readonly float[]?[][] _states;
    private readonly bool[][] _valid;
    private readonly int[] _boundaries;

    /// <summary>Buffers given back, by length.</summary>
    private readonly Dictionary<int, Stack<float[]>> _free = [];

    /// <param name="shape">The model.</param>
    /// <param name="tokens">Tokens of each batch.</param>
    /// <param name="budgetBytes">Most memory that the states may take.</param>
    public ResidualStates(ModelShape shape, IReadOnlyList<int> tokens, long budgetBytes)
    {
        // The state after the last sublayer is never restored: nothing but the head follows.
        int[] all = [.. shape.Sublayers().Select(sublayer => sublayer.Order).SkipLast(1)];
        var each = Math.Max(1, tokens.Sum(count => (long)count) * shape.EmbeddingLength * sizeof(float));
        var affordable = (int)Math.Min(all.Length, budgetBytes / each);
        _boundaries = [.. Enumerable.Range(1, affordable).Select(number => all[(int)((long)number * all.Length / (affordable + 1))]).Distinct()];
        if (affordable == all.Length) _boundaries = all;
        _states = [.. tokens.Select(_ => new float[2 * shape.Blocks.Length][])];
        _valid = [.. tokens.Select(_ => new bool[2 * shape.Blocks.Length])];
        Bytes = each * _boundaries.Length;
    }

    /// <summary>Memory taken once all are filled.</summary>
    public long Bytes { get; }

    /// <summary>Orders after which states are worth keeping for a mask, from <paramref name="from"/> on: gone sublayers leave the stream as it was.</summary>
    public int[] WorthKeeping(CutMask mask, int from) =>
        [.. _boundaries.Where(order => order >= from && !mask.IsGone(Sublayer.FromOrder(order)))];

    /// <summary>Latest valid state of a batch before the sublayer <paramref name="order"/>; -1 where the run must begin at the tokens.</summary>
    public int LatestBefore(int batch, int order)
    {
        for (var at = order - 1; at >= 0; at--)
        {
            if (_valid[batch][at]) return at;
        }

        return -1;
    }

    public ReadOnlySpan<float> Get(int batch, int order) => _states[batch][order];

    /// <summary>The buffer to fill for a state, which is valid from then on.</summary>
    public Span<float> Put(int batch, int order, int length)
    {
        var state = _states[batch][order];
        if (state is null || state.Length != length)
        {
            _states[batch][order] = state = _free.TryGetValue(length, out var free) && free.TryPop(out var used) ? used : GC.AllocateUninitializedArray<float>(length);
        }

        _valid[batch][order] = true;
        return state;
    }

    /// <summary>Gives a state's memory to the next one of its length.</summary>
    public void Release(int batch, int order)
    {
        if (_states[batch][order] is { } state)
        {
            if (!_free.TryGetValue(state.Length, out var free)) _free[state.Length] = free = [];
            free.Push(state);
        }

        _states[batch][order] = null;
        _valid[batch][order] = false;
    }

    /// <summary>Forgets the states after <paramref name="order"/> and later ones.</summary>
    public void InvalidateFrom(int order)
    {
        foreach (var valid in _valid) valid.AsSpan(order).Clear();
    }
}
