namespace FinerCut.Runtime.Native;

/// <summary>A context's KV cells. Sequence numbers and bounds are checked here: libllama would abort the process.</summary>
internal sealed class SequenceMemory(ContextHandle context, int maxSequences, bool unified) : ISequenceMemory
{
    private readonly nint _memory = Llama.Memory(context);

    /// <summary>Models without a KV cache (embedding models) have none.</summary>
    internal bool Exists => _memory != 0;

    public bool Remove(int sequence, int from, int to)
    {
        RequireOpen();
        if (sequence >= 0) RequireSequence(sequence, nameof(sequence));
        return Llama.MemoryRemove(_memory, Math.Max(sequence, -1), Math.Max(from, -1), Math.Max(to, -1));
    }

    public void Copy(int source, int target, int from, int to)
    {
        RequireOpen();
        RequireSequence(source, nameof(source));
        RequireSequence(target, nameof(target));
        if (source == target) return;
        if (!unified && (from > 0 || (to >= 0 && to <= LastPosition(source))))
        {
            throw new LlamaException(
                LlamaErrorCode.InvalidOption,
                $"Positions {from} to {to} of sequence {source} cannot be shared: with separate KV memory per sequence only whole sequences are copied. Open the session with UnifiedKv.");
        }

        Llama.MemoryCopy(_memory, source, target, unified ? Math.Max(from, -1) : -1, unified ? Math.Max(to, -1) : -1);
    }

    public void Shift(int sequence, int from, int to, int delta)
    {
        RequireOpen();
        RequireSequence(sequence, nameof(sequence));
        if (!Llama.MemoryCanShift(_memory))
            throw new LlamaException(LlamaErrorCode.InvalidOption, "This model's memory cannot move positions (no context shift).");
        if (Math.Max(from, 0) + (long)delta < 0)
            throw new ArgumentOutOfRangeException(nameof(delta), delta, $"Positions from {Math.Max(from, 0)} would become negative.");
        Llama.MemoryAdd(_memory, sequence, Math.Max(from, -1), Math.Max(to, -1), delta);
    }

    public int LastPosition(int sequence)
    {
        RequireOpen();
        RequireSequence(sequence, nameof(sequence));
        return Exists ? Llama.MemoryLastPosition(_memory, sequence) : -1;
    }

    public void Clear()
    {
        RequireOpen();
        if (Exists) Llama.MemoryClear(_memory, data: false);
    }

    private void RequireOpen() => ObjectDisposedException.ThrowIf(context.IsClosed, typeof(ILlamaSession));

    private void RequireSequence(int sequence, string name)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sequence, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(sequence, maxSequences, name);
    }
}
