using System.Text;
using LLama.Native;

namespace FinerCut.Runtime.Native;

/// <summary>A model's vocabulary over LLamaSharp's; keeps the model alive while a call runs.</summary>
internal sealed unsafe class Vocabulary : IVocabulary
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);
    private readonly ModelHandle _model;
    private readonly ModelHandle.Vocabulary _vocabulary;

    internal Vocabulary(ModelHandle model)
    {
        _model = model;
        _vocabulary = model.Vocab;
        Count = _vocabulary.Count;
        HasTokenizer = _vocabulary.Type != LLamaVocabType.None;
        Special = HasTokenizer
            ? new SpecialTokens(
                Number(_vocabulary.BOS), Number(_vocabulary.EOS), Number(_vocabulary.EOT), Number(_vocabulary.SEP), Number(_vocabulary.Newline), Number(_vocabulary.Pad),
                _vocabulary.ShouldAddBOS, _vocabulary.ShouldAddEOS, Number(_vocabulary.InfillPrefix), Number(_vocabulary.InfillSuffix), Number(_vocabulary.InfillMiddle))
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
        try
        {
            return [.. _model.Tokenize(text, addSpecial, parseSpecial, Utf8).Select(token => (int)token)];
        }
        catch (OverflowException overflow)
        {
            throw new LlamaException(LlamaErrorCode.TokenizeFailed, $"The text of {text.Length} characters does not tokenise.", overflow);
        }
    }

    public int Piece(int token, Span<byte> destination, bool special)
    {
        RequireToken(token);
        RequireTokenizer();
        using var alive = new Alive(_model);
        return NativeApi.llama_token_to_piece(_vocabulary, token, destination, 0, special);
    }

    public bool IsEndOfGeneration(int token)
    {
        RequireToken(token);
        using var alive = new Alive(_model);
        return HasTokenizer && ((LLamaToken)token).IsEndOfGeneration(_vocabulary);
    }

    /// <summary>Tokens that the file says must never be sampled.</summary>
    internal ReadOnlySpan<int> SuppressedTokens()
    {
        var count = 0;
        var tokens = Llama.VocabSuppressTokens(Llama.ModelGetVocab(_model), &count);
        return new ReadOnlySpan<int>(tokens, tokens is null ? 0 : count);
    }

    private static int Number(LLamaToken? token) => token is { } known ? (int)known : -1;

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
