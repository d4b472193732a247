using System.Text;

namespace FinerCut.Runtime.Native;

/// <summary>A model's vocabulary; keeps the model alive while a call runs.</summary>
internal sealed unsafe class Vocabulary : IVocabulary
{
    private readonly ModelHandle _model;
    private readonly nint _vocab;

    internal Vocabulary(ModelHandle model)
    {
        _model = model;
        _vocab = Llama.ModelGetVocab(model);
        Count = Llama.VocabCount(_vocab);
        HasTokenizer = Llama.VocabType(_vocab) != 0;
        Special = HasTokenizer
            ? new SpecialTokens(
                Llama.VocabBos(_vocab), Llama.VocabEos(_vocab), Llama.VocabEot(_vocab), Llama.VocabSep(_vocab), Llama.VocabNl(_vocab), Llama.VocabPad(_vocab),
                Llama.VocabAddBos(_vocab), Llama.VocabAddEos(_vocab), Llama.VocabFimPrefix(_vocab), Llama.VocabFimSuffix(_vocab), Llama.VocabFimMiddle(_vocab))
            : new SpecialTokens(-1, -1, -1, -1, -1, -1, false, false, -1, -1, -1);
    }

    public int Count { get; }

    public SpecialTokens Special { get; }

    /// <summary>False for files without a tokenizer (tokenizer.ggml.model = none): text functions would abort there.</summary>
    internal bool HasTokenizer { get; }

    public int[] Tokenize(string text, bool addSpecial, bool parseSpecial)
    {
        ArgumentNullException.ThrowIfNull(text);
        RequireTokenizer();
        using var alive = new Alive(_model);
        var utf8 = Encoding.UTF8.GetBytes(text);
        var tokens = GC.AllocateUninitializedArray<int>(utf8.Length + 8); // a token covers a byte at least, but for the special ones around the text
        var count = TokenizeInto(utf8, tokens, addSpecial, parseSpecial);
        if (count < 0 && count != int.MinValue)
        {
            tokens = GC.AllocateUninitializedArray<int>(-count);
            count = TokenizeInto(utf8, tokens, addSpecial, parseSpecial);
        }

        if (count < 0) throw new LlamaException(LlamaErrorCode.TokenizeFailed, $"The text of {utf8.Length} bytes does not tokenise (llama_tokenize returned {count}).");
        return tokens.AsSpan(0, count).ToArray();
    }

    public int Piece(int token, Span<byte> destination, bool special)
    {
        RequireToken(token);
        RequireTokenizer();
        using var alive = new Alive(_model);
        fixed (byte* bytes = destination)
            return Llama.TokenToPiece(_vocab, token, bytes, destination.Length, 0, special);
    }

    public bool IsEndOfGeneration(int token)
    {
        RequireToken(token);
        using var alive = new Alive(_model);
        return HasTokenizer && Llama.VocabIsEndOfGeneration(_vocab, token);
    }

    /// <summary>Tokens that the file says must never be sampled.</summary>
    internal ReadOnlySpan<int> SuppressedTokens()
    {
        var count = 0;
        var tokens = Llama.VocabSuppressTokens(_vocab, &count);
        return new ReadOnlySpan<int>(tokens, tokens is null ? 0 : count);
    }

    private int TokenizeInto(byte[] utf8, int[] tokens, bool addSpecial, bool parseSpecial)
    {
        fixed (byte* text = utf8)
        fixed (int* target = tokens)
        {
            byte empty = 0;
            return Llama.Tokenize(_vocab, text is null ? &empty : text, utf8.Length, target, tokens.Length, addSpecial, parseSpecial);
        }
    }

    private void RequireToken(int token)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(token);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(token, Count);
    }

    private void RequireTokenizer()
    {
        if (!HasTokenizer) throw new LlamaException(LlamaErrorCode.TokenizeFailed, "The model's file has no tokenizer (tokenizer.ggml.model).");
    }

    /// <summary>Holds the model for the length of a call that takes the bare address of its vocabulary.</summary>
    private readonly ref struct Alive
    {
        private readonly ModelHandle _model;

        internal Alive(ModelHandle model)
        {
            _model = model;
            var added = false;
            model.DangerousAddRef(ref added);
        }

        public void Dispose() => _model.DangerousRelease();
    }
}
