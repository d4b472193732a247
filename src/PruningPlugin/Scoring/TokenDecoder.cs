using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Scoring;

/// <summary>A session that decodes packed sequences from an empty memory and hands out all their logits. One thread at a time.</summary>
internal sealed class TokenDecoder : IDisposable
{
    private readonly ILlamaSession _session;
    private readonly TokenBatch _batch;
    private CancellationToken _cancellation;

    public TokenDecoder(ILlamaModel model, int capacity, int threads, IGraphObserver? observer)
    {
        _batch = new TokenBatch(capacity);
        _session = model.Open(new SessionOptions
        {
            // llama.cpp rounds the cells up to a multiple of 256; the same for every session, so that masked model and file agree.
            ContextLength = (capacity + 255) / 256 * 256,
            BatchSize = capacity,
            MicroBatchSize = capacity,
            MaxSequences = TokenBatches.MaxSequences,
            Threads = threads,
            BatchThreads = threads,
            OpOffload = false, // Also where nobody observes: the file's logits are compared with the masked model's.
            GraphObserver = observer,
            Abort = () => _cancellation.IsCancellationRequested,
        });
        Vocabulary = model.Info.VocabularySize;
    }

    public int Vocabulary { get; }

    /// <exception cref="OperationCanceledException">Cancelled, at most one graph node late; on a GPU one decode.</exception>
    public void Decode(PackedSequences sequences, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _cancellation = cancellationToken;
        _session.Memory.Clear();
        _batch.Clear();
        for (var sequence = 0; sequence < sequences.Sequences.Length; sequence++)
        {
            var tokens = sequences.Sequences[sequence].Sequence.Tokens;
            for (var position = 0; position < tokens.Length; position++) _batch.Add(tokens[position], position, sequence, logits: true);
        }

        var status = _session.Decode(_batch);
        if (status == DecodeStatus.Aborted) cancellationToken.ThrowIfCancellationRequested();
        if (status != DecodeStatus.Done) throw new LlamaException(LlamaErrorCode.DecodeFailed, $"Scoring {_batch.Count} tokens ended with {status}.");
    }

    /// <summary>Logits [vocabulary] of a row of the last decode; valid until the next one.</summary>
    public ReadOnlySpan<float> Logits(int row) => _session.Logits(row);

    /// <summary>
    /// All rows of the last decode, for other threads to read: their addresses are taken here, on the session's thread, and the memory behind
    /// them is native and stands still until the next decode.
    /// </summary>
    public unsafe LogitRows Rows()
    {
        var rows = new nint[_batch.Count];
        for (var row = 0; row < rows.Length; row++) rows[row] = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(_session.Logits(row)));
        return new LogitRows(rows, Vocabulary);
    }

    /// <summary>Calls <paramref name="each"/> for every row of the last decode, on several threads, with scratch [vocabulary] of the thread's own.</summary>
    public void ForEachRow(int threads, LogitRowAction each)
    {
        var rows = Rows();
        Parallel.For(
            0,
            rows.Count,
            new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, threads) },
            () => new float[rows.Vocabulary],
            (row, _, scratch) =>
            {
                each(row, rows[row], scratch);
                return scratch;
            },
            _ => { });
    }

    public void Dispose() => _session.Dispose();
}

/// <summary>What is done with one row of logits.</summary>
internal delegate void LogitRowAction(int row, ReadOnlySpan<float> logits, float[] scratch);

/// <summary>Rows of logits [vocabulary] in native memory, valid until the session's next decode.</summary>
internal sealed unsafe class LogitRows(nint[] addresses, int vocabulary)
{
    public int Count => addresses.Length;

    public int Vocabulary => vocabulary;

    public ReadOnlySpan<float> this[int row] => new((void*)addresses[row], vocabulary);
}
