namespace FinerCut.Runtime;

/// <summary>
/// Tokens of one decode as parallel arrays (llama_batch). Reused between decodes: filling it allocates nothing.
/// Not thread-safe; belongs to the thread of the session that it is decoded on.
/// </summary>
public sealed class TokenBatch(int capacity)
{
    private readonly int[] _tokens = GC.AllocateUninitializedArray<int>(capacity, pinned: true);
    private readonly int[] _positions = GC.AllocateUninitializedArray<int>(capacity, pinned: true);
    private readonly int[] _sequences = GC.AllocateUninitializedArray<int>(capacity, pinned: true);
    private readonly sbyte[] _logits = GC.AllocateUninitializedArray<sbyte>(capacity, pinned: true);

    public int Capacity => _tokens.Length;

    public int Count { get; private set; }

    /// <summary>Tokens [Count]. The array behind it is pinned: native code may keep its address for the batch's lifetime.</summary>
    public Span<int> Tokens => _tokens.AsSpan(0, Count);

    public Span<int> Positions => _positions.AsSpan(0, Count);

    public Span<int> Sequences => _sequences.AsSpan(0, Count);

    /// <summary>1 where the token's logits are wanted.</summary>
    public Span<sbyte> Logits => _logits.AsSpan(0, Count);

    /// <summary>Adds one token and returns its index, which <see cref="ILlamaSession.Logits"/> takes.</summary>
    /// <exception cref="InvalidOperationException">The batch is full.</exception>
    public int Add(int token, int position, int sequence, bool logits)
    {
        if (Count == Capacity) throw new InvalidOperationException($"The batch is full: it takes {Capacity} tokens.");
        _tokens[Count] = token;
        _positions[Count] = position;
        _sequences[Count] = sequence;
        _logits[Count] = logits ? (sbyte)1 : (sbyte)0;
        return Count++;
    }

    public void Clear() => Count = 0;
}
