namespace FinerCut.Runtime.Native;

/// <summary>
/// A llama_sampler chain, with a grammar beside it. As in llama.cpp's server the chain samples first and the grammar is asked about that one
/// token; only when it refuses are all candidates filtered and sampled again.
/// </summary>
internal sealed unsafe class SamplerChain : ISampler, IDrawOdds
{
    private readonly Session _session;
    private readonly int _vocabularySize;
    private readonly TokenSelection _selection;
    private readonly SamplerHandle? _chain;
    private readonly SamplerHandle? _grammar;
    private readonly bool _isGreedy;
    private bool _disposed;

    /// <summary>What the chain left of the candidates, in the selection that all samplers of the session share.</summary>
    private LlamaTokenDataArray _left;
    private int _last = -1;

    private SamplerChain(Session session, int vocabularySize, TokenSelection selection, SamplerHandle? chain, SamplerHandle? grammar, bool isGreedy)
    {
        _session = session;
        _vocabularySize = vocabularySize;
        _selection = selection;
        _chain = chain;
        _grammar = grammar;
        _isGreedy = isGreedy;
    }

    internal static SamplerChain Create(Session session, LoadedModel model, SamplerOptions options, TokenSelection selection, NativeLog log)
    {
        ChainLinks.Require(options, model.Words.Count);
        var grammar = ChainLinks.Grammar(options, model, log);
        try
        {
            var chain = ChainLinks.Build(options, model, session.Info.ContextLength);
            return new SamplerChain(session, model.Words.Count, selection, chain, grammar, isGreedy: options is { Temperature: 0, Mirostat: 0 });
        }
        catch
        {
            grammar?.Dispose();
            throw;
        }
    }

    public int Sample(int batchIndex)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var logits = _session.Logits(batchIndex);
        var token = _chain is null ? TokenSelection.Largest(logits) : Choose(_selection.All(logits));
        if (_grammar is not null)
        {
            if (!GrammarTakes(token)) token = ChooseByGrammar(logits);
            Llama.SamplerAccept(_grammar, token);
        }

        if (_chain is not null) Llama.SamplerAccept(_chain, token);
        return _last = token;
    }

    public float LogOdds(int token)
    {
        if (_isGreedy) return token == _last ? 0 : float.NegativeInfinity;
        foreach (var candidate in Left)
        {
            if (candidate.Id == token) return TokenSelection.LogOdds(candidate, TokenSelection.Normaliser(Left));
        }

        return float.NegativeInfinity;
    }

    public IReadOnlyList<(int Token, float LogOdds)> Likeliest(int most)
    {
        if (_isGreedy) return most > 0 && _last >= 0 ? [(_last, 0f)] : [];
        var normaliser = TokenSelection.Normaliser(Left);
        return [.. Left.ToArray().Where(candidate => !float.IsNegativeInfinity(candidate.Logit)).OrderByDescending(candidate => candidate.Logit).Take(most)
            .Select(candidate => (candidate.Id, TokenSelection.LogOdds(candidate, normaliser)))];
    }

    public void Accept(int token)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(token);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(token, _vocabularySize);
        if (_chain is not null) Llama.SamplerAccept(_chain, token);
    }

    public void Dispose()
    {
        _disposed = true;
        _chain?.Dispose();
        _grammar?.Dispose();
    }

    private ReadOnlySpan<LlamaTokenData> Left => new(_left.Data, (int)_left.Size);

    private bool GrammarTakes(int token)
    {
        var candidate = new LlamaTokenData { Id = token, Logit = 1 };
        var single = TokenSelection.Single(&candidate);
        Llama.SamplerApply(_grammar!, &single);
        return !float.IsNegativeInfinity(candidate.Logit);
    }

    /// <summary>The grammar would abort the process if it were made to accept a token that it refuses, so what is returned is one it takes.</summary>
    private int ChooseByGrammar(ReadOnlySpan<float> logits)
    {
        var candidates = _selection.All(logits);
        Llama.SamplerApply(_grammar!, &candidates);
        var best = -1;
        for (var i = 0; i < (int)candidates.Size; i++)
        {
            var logit = candidates.Data[i].Logit;
            if (!float.IsNegativeInfinity(logit) && (best < 0 || logit > candidates.Data[best].Logit)) best = i;
        }

        if (best < 0) throw new LlamaException(LlamaErrorCode.InvalidGrammar, "No token of the vocabulary continues the grammar here.");
        return _chain is null ? candidates.Data[best].Id : Choose(candidates);
    }

    private int Choose(LlamaTokenDataArray candidates)
    {
        Llama.SamplerApply(_chain!, &candidates);
        _left = candidates;
        var selected = candidates.Selected;
        if (selected < 0 || (nuint)selected >= candidates.Size)
            throw new LlamaException(LlamaErrorCode.DecodeFailed, "The sampler chain chose no token: its options leave none with a probability.");
        ref var chosen = ref candidates.Data[selected];
        return float.IsNaN(chosen.Logit) || float.IsNegativeInfinity(chosen.Logit)
            ? throw new LlamaException(LlamaErrorCode.InvalidOption, "The logit biases and the grammar together leave no token to sample.")
            : chosen.Id;
    }
}
