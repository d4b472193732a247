using FinerCut.Runtime;

namespace FinerCut.Tests.Batching;

/// <summary>
/// A context whose next token depends on every token before it, held in physical cells that sequences share: a wrong position, a wrong copy or a
/// stale cell changes the text. Counts cells as libllama does.
/// </summary>
internal sealed class FakeSession(int cells, int sequences, int vocabulary = 1000) : ILlamaSession, ISequenceMemory, IVocabulary
{
    private readonly List<Cell>[] _sequences = [.. Enumerable.Range(0, sequences).Select(_ => new List<Cell>())];
    private readonly Dictionary<int, int> _outputs = [];

    public List<int> BatchSizes { get; } = [];

    public int ComputedTokens { get; private set; }

    public int UsedCells => _sequences.SelectMany(cell => cell).Distinct().Count();

    /// <summary>Called before each decode, on the loop's thread.</summary>
    public Action<TokenBatch>? OnDecode { get; set; }

    /// <summary>Tokens after which a sampler has none left, as under a grammar that ignores the end.</summary>
    public int MostDraws { get; set; } = int.MaxValue;

    public bool IsDisposed { get; private set; }

    public SessionInfo Info { get; } = new(cells, 512, 512, sequences, 1, 1);

    public ISequenceMemory Memory => this;

    public int Count => vocabulary;

    public SpecialTokens Special { get; } = new(-1, 0, -1, -1, -1, -1, false, false, -1, -1, -1);

    public DecodeStatus Decode(TokenBatch batch)
    {
        OnDecode?.Invoke(batch);
        if (UsedCells + batch.Count > cells) return DecodeStatus.NoSpace;
        BatchSizes.Add(batch.Count);
        ComputedTokens += batch.Count;
        _outputs.Clear();
        for (var i = 0; i < batch.Count; i++)
        {
            var sequence = _sequences[batch.Sequences[i]];
            if (batch.Positions[i] != sequence.Count)
                throw new InvalidOperationException($"Sequence {batch.Sequences[i]} is at {sequence.Count}, the batch says {batch.Positions[i]}.");
            sequence.Add(new Cell(batch.Tokens[i]));
            if (batch.Logits[i] != 0) _outputs[i] = Next(sequence.Select(cell => cell.Token));
        }

        return DecodeStatus.Done;
    }

    /// <summary>What this context says after these tokens; never the end token 0.</summary>
    public int Next(IEnumerable<int> tokens) => (int)(tokens.Aggregate(17u, (hash, token) => hash * 31 + (uint)token * 2654435761u) % (uint)(vocabulary - 1)) + 1;

    public ReadOnlySpan<float> Logits(int batchIndex)
    {
        var logits = new float[vocabulary];
        logits[_outputs[batchIndex]] = 10;
        return logits;
    }

    public ISampler CreateSampler(SamplerOptions options) => options.Grammar is null
        ? new FakeSampler(this)
        : throw new LlamaException(LlamaErrorCode.InvalidGrammar, "The grammar is not valid.");

    public bool Remove(int sequence, int from, int to)
    {
        if (to >= 0) throw new NotSupportedException();
        var list = _sequences[sequence];
        var start = Math.Max(0, from);
        if (start < list.Count) list.RemoveRange(start, list.Count - start);
        return true;
    }

    public void Copy(int source, int target, int from, int to)
    {
        if (from != _sequences[target].Count) throw new InvalidOperationException("A copy must continue the target.");
        _sequences[target].AddRange(_sequences[source][from..to]);
    }

    public void Shift(int sequence, int from, int to, int delta) => throw new NotSupportedException();

    public int LastPosition(int sequence) => _sequences[sequence].Count - 1;

    public void Clear() => Array.ForEach(_sequences, sequence => sequence.Clear());

    public object? GetService(Type serviceType) => null;

    public int[] Tokenize(string text, bool addSpecial, bool parseSpecial) => throw new NotSupportedException();

    public int Piece(int token, Span<byte> destination, bool special)
    {
        destination[0] = (byte)' ';
        return token.TryFormat(destination[1..], out var written) ? written + 1 : 0;
    }

    public bool IsEndOfGeneration(int token) => token == 0;

    public void Dispose() => IsDisposed = true;

    private sealed class Cell(int token)
    {
        public int Token => token;
    }

    private sealed class FakeSampler(FakeSession session) : ISampler
    {
        private int _draws;

        public int Sample(int batchIndex) => _draws++ < session.MostDraws
            ? session._outputs[batchIndex]
            : throw new LlamaException(LlamaErrorCode.InvalidGrammar, "No token is left.");

        public void Accept(int token)
        {
        }

        public void Dispose()
        {
        }
    }
}
