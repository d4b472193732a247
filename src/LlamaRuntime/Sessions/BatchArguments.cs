using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>
/// Turns a <see cref="TokenBatch"/> into a llama_batch without copying: its arrays are pinned, and the pointers that llama_batch wants for
/// sequence ids are kept here and point into them. Checks what libllama would only assert.
/// </summary>
internal sealed unsafe class BatchArguments
{
    private readonly int _vocabularySize;
    private readonly int _maxSequences;
    private readonly int _maxOutputs;
    private readonly int[] _ones;
    private readonly nint[] _sequencePointers;
    private readonly sbyte[] _outputs;
    private nint _sequences;

    internal BatchArguments(int batchSize, int vocabularySize, int maxSequences, int maxOutputs)
    {
        _vocabularySize = vocabularySize;
        _maxSequences = maxSequences;
        _maxOutputs = maxOutputs;
        _ones = GC.AllocateArray<int>(batchSize, pinned: true);
        _ones.AsSpan().Fill(1);
        _sequencePointers = GC.AllocateArray<nint>(batchSize, pinned: true);
        _outputs = new sbyte[batchSize];
    }

    /// <summary>Tokens of the last batch that can be asked for logits; 0 after a decode that failed.</summary>
    internal int Count { get; private set; }

    internal int Capacity => _ones.Length;

    internal void Forget() => Count = 0;

    internal bool HasOutput(int index) => _outputs[index] != 0;

    /// <summary>The batch as libllama takes it. With <paramref name="allOutputs"/> every token gives output, whatever it asked for.</summary>
    internal LlamaBatch Bind(TokenBatch batch, bool allOutputs)
    {
        Count = 0;
        Require(batch, allOutputs);
        var sequences = Address(batch.Sequences);
        if ((nint)sequences != _sequences)
        {
            for (var i = 0; i < _sequencePointers.Length; i++) _sequencePointers[i] = (nint)(sequences + i);
            _sequences = (nint)sequences;
        }

        return new LlamaBatch
        {
            NTokens = batch.Count,
            Token = Address(batch.Tokens),
            Pos = Address(batch.Positions),
            NSeqId = Address(_ones.AsSpan()),
            SeqId = (int**)Address(_sequencePointers.AsSpan()),
            Logits = allOutputs ? null : Address(batch.Logits),
        };
    }

    /// <summary>The batch is computed: its outputs may be read.</summary>
    internal void Computed(TokenBatch batch, bool allOutputs)
    {
        if (allOutputs) _outputs.AsSpan(0, batch.Count).Fill(1);
        else batch.Logits.CopyTo(_outputs);
        Count = batch.Count;
    }

    private void Require(TokenBatch batch, bool allOutputs)
    {
        if (batch.Count == 0) throw new LlamaException(LlamaErrorCode.InvalidOption, "The batch is empty.");
        if (batch.Count > Capacity)
            throw new LlamaException(LlamaErrorCode.InvalidOption, $"The batch has {batch.Count} tokens, the session takes {Capacity} (BatchSize).");
        var tokens = batch.Tokens;
        var positions = batch.Positions;
        var sequences = batch.Sequences;
        var outputs = 0;
        for (var i = 0; i < tokens.Length; i++)
        {
            if ((uint)tokens[i] >= (uint)_vocabularySize) throw Refused(i, "token", tokens[i], _vocabularySize);
            if ((uint)sequences[i] >= (uint)_maxSequences) throw Refused(i, "sequence", sequences[i], _maxSequences);
            if ((uint)positions[i] >= int.MaxValue) throw Refused(i, "position", positions[i], int.MaxValue);
            if (batch.Logits[i] != 0) outputs++;
        }

        if (!allOutputs && outputs > _maxOutputs)
        {
            throw new LlamaException(
                LlamaErrorCode.InvalidOption, $"{outputs} tokens of the batch ask for logits, the session has room for {_maxOutputs} (MaxOutputs).");
        }
    }

    private static LlamaException Refused(int index, string what, int value, int limit) =>
        new(LlamaErrorCode.InvalidOption, $"Entry {index} of the batch has {what} {value}, allowed are 0 to {limit - 1}.");

    private static T* Address<T>(Span<T> pinned)
        where T : unmanaged => (T*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref MemoryMarshal.GetReference(pinned));
}
